// Figures and states in words.

export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export function wait(ms) {
  return ms === null || ms === undefined ? "–" : `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0)} s`;
}

export const QUIETEST_DBFS = -60;

// 0 for silence, 1 for full scale.
export function loudness(dbfs) {
  if (typeof dbfs !== "number") return 0;
  return Math.min(1, Math.max(0, 1 - dbfs / QUIETEST_DBFS));
}

// Who hears whom, in pairs: [a, "↔" or "→" (a hears b), b, words].
export function hearing(parties) {
  const hears = (a, b) => (a.hears ?? []).includes(b.name);
  const pairs = [];
  for (const [index, a] of parties.entries()) {
    for (const b of parties.slice(index + 1)) {
      if (hears(a, b) && hears(b, a)) pairs.push([a.name, "↔", b.name, `${a.name} and ${b.name} hear each other`]);
      else if (hears(a, b)) pairs.push([a.name, "←", b.name, `${a.name} hears ${b.name}`]);
      else if (hears(b, a)) pairs.push([a.name, "→", b.name, `${b.name} hears ${a.name}`]);
    }
  }
  return pairs;
}

export const SLOW_MS = 2000;

// Why an operator should look at a call, in words; empty if there is no reason. `inState`: seconds; null: not known.
export function reason(call, inState) {
  const since = inState === null ? "" : ` for ${duration(inState)}`;
  if (call.held) return `held${since}`;
  if (call.state === "holding") return `waits for a person${since}`;
  if (call.state === "opening" && inState > 3) return `waits for the assistant${since}`;
  if ((call.muted ?? []).length) return `muted: ${call.muted.join(", ")}`;
  if (call.last_wait_ms >= SLOW_MS) return `slow: ${wait(call.last_wait_ms)}`;
  return "";
}
