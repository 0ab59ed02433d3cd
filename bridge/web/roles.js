// The roles of the parties of a call over time: their lanes in the drawing, and the same in words.

export const ROLE_LANE = 32;
const NAME = 13; // the row of a lane that has the party's name
const COLOURS = { caller: "a", assistant: "b", supervisor: "c", person: "d" };

// The parties, in the order of their lanes: [{kind, name}].
export function lanesOf(roles) {
  const lanes = [];
  for (const { kind, name } of roles) {
    if (!lanes.some((lane) => lane.kind === kind && lane.name === name)) lanes.push({ kind, name });
  }
  return lanes;
}

// What is written on a bar, at full length and then shorter.
export function barTexts({ role, heardBy }) {
  if (!heardBy.length) return [role];
  const who = `→ ${heardBy.join(", ")}`;
  return [`${role} ${who}`, who, role];
}

export function roleInWords({ kind, name, role, heardBy }) {
  const party = kind === "supervisor" ? `supervisor ${name}` : name;
  return `${party}: ${role}, heard by ${heardBy.length ? heardBy.join(", ") : "nobody"}`;
}

// Draw the lanes of a `Timeline` from `top` on.
export function drawRoles(timeline, top) {
  const { c, history } = timeline;
  for (const [number, lane] of lanesOf(history.roles).entries()) {
    const y = top + number * ROLE_LANE;
    const colour = timeline.colour(COLOURS[lane.kind]);
    for (const one of history.roles) {
      if (one.kind === lane.kind && one.name === lane.name) drawBar(timeline, one, y + NAME, colour);
    }
    c.fillStyle = colour;
    c.fillText(lane.kind === "supervisor" ? `supervisor ${lane.name}` : lane.name, 4, y + 7);
  }
}

function drawBar(timeline, one, y, colour) {
  const { c } = timeline;
  const [left, right] = [Math.max(-1, timeline.x(one.fromS)), Math.min(timeline.width + 1, timeline.x(one.toS))];
  if (right < 0 || left > timeline.width) return;
  const [wide, tall] = [Math.max(1, right - left), ROLE_LANE - NAME - 3];
  c.fillStyle = one.heardBy.length ? colour : timeline.colour("paper");
  c.globalAlpha = one.heardBy.length ? 0.3 : 1;
  c.fillRect(left, y, wide, tall);
  c.globalAlpha = 1;
  c.strokeStyle = colour;
  c.lineWidth = 1;
  c.strokeRect(left + 0.5, y + 0.5, Math.max(0, wide - 1), tall - 1);
  const from = Math.max(left, 0) + 4;
  const text = barTexts(one).find((each) => c.measureText(each).width <= right - from - 4);
  if (!text) return;
  c.fillStyle = timeline.colour("ink");
  c.fillText(text, from, y + tall / 2 + 0.5);
}
