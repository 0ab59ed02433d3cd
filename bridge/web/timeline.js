// The drawing of a call: both voices, and what happened, on one time axis, as the picture of `voicebridge timeline` has it.

import { lengthOf } from "./history.js";
import { ROLE_LANE, drawRoles, lanesOf } from "./roles.js";

const HEIGHT = 314; // without the lanes of roles
const ROLES = HEIGHT - 14;
const LEFT = 4;
const LANES = { notes: [14, 28, 42], said: [62, 76], turns: 88, caller: 122, waits: 158, tools: 168, other: 208, replies: [246, 260], sent: 278, returned: 290 };
const VOICE = 26; // from the middle to the top of a voice
const SHORTEST_S = 2;
const FONT = "11px system-ui, sans-serif";

export class Timeline {
  // `moved(atS)`: the user has pointed at a moment.
  constructor(canvas, moved) {
    this.canvas = canvas;
    this.moved = moved;
    this.history = null;
    this.track = null;
    this.view = null; // [from, to] in seconds; null: the whole call
    this.follows = true;
    this.nowS = null;
    this.playedS = null;
    this.pointedS = null;
    this.isAsked = false;
    this.resized = new ResizeObserver(() => this.ask());
    this.resized.observe(canvas);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.recolour = () => this.ask();
    this.scheme.addEventListener("change", this.recolour);
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("pointerdown", (event) => this.point(event));
    canvas.addEventListener("pointermove", (event) => event.buttons && this.point(event));
    canvas.addEventListener("wheel", (event) => event.ctrlKey && (event.preventDefault(), this.zoom(event.deltaY > 0 ? 1.25 : 0.8)), { passive: false });
  }

  close() {
    this.resized.disconnect();
    this.scheme.removeEventListener("change", this.recolour);
  }

  ask() {
    if (this.isAsked) return;
    this.isAsked = true;
    requestAnimationFrame(() => {
      this.isAsked = false;
      this.draw();
    });
  }

  lengthS() {
    return Math.max(this.history ? lengthOf(this.history) : 1, this.nowS ?? 0);
  }

  range() {
    const lengthS = this.lengthS();
    const first = Math.min(0, this.history?.notes[0]?.atS ?? 0);
    if (!this.view) return [first, lengthS];
    const wide = Math.min(this.view[1] - this.view[0], lengthS - first);
    if (this.follows && this.nowS !== null) return [lengthS - wide, lengthS];
    const from = Math.max(first, Math.min(this.view[0], lengthS - wide));
    return [from, from + wide];
  }

  zoom(factor, aroundS = this.pointedS) {
    const [from, to] = this.range();
    const wide = Math.max(SHORTEST_S, (to - from) * factor);
    if (wide >= this.lengthS()) this.view = null;
    else {
      const around = aroundS !== null && aroundS >= from && aroundS <= to ? aroundS : this.follows && this.nowS !== null ? to : (from + to) / 2;
      const share = (around - from) / (to - from);
      this.view = [around - wide * share, around + wide * (1 - share)];
    }
    this.ask();
  }

  show(seconds) {
    this.view = seconds === null ? null : [this.lengthS() - seconds, this.lengthS()];
    this.follows = true;
    this.ask();
  }

  pan(share) {
    if (!this.view) return;
    const [from, to] = this.range();
    const by = (to - from) * share;
    this.follows = to + by >= this.lengthS();
    this.view = [from + by, to + by];
    this.ask();
  }

  reveal(atS) {
    this.pointedS = atS;
    const [from, to] = this.range();
    if (this.view && (atS < from || atS > to)) {
      const half = (to - from) / 2;
      this.follows = false;
      this.view = [atS - half, atS + half];
    }
    this.ask();
  }

  point(event) {
    const [from, to] = this.range();
    const box = this.canvas.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left - LEFT) / (box.width - 2 * LEFT)));
    this.pointedS = from + share * (to - from);
    this.moved(this.pointedS);
    this.ask();
  }

  key(event) {
    const [from, to] = this.range();
    const step = (to - from) / 20;
    const moves = { ArrowLeft: -step, ArrowRight: step, Home: -1e9, End: 1e9 };
    if (event.key in moves && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const at = Math.min(this.lengthS(), Math.max(0, (this.pointedS ?? from) + moves[event.key]));
      this.reveal(at);
      this.moved(at);
    } else if (event.key === "+") this.zoom(0.5);
    else if (event.key === "-") this.zoom(2);
    else if (event.key === "PageUp") this.pan(-0.8);
    else if (event.key === "PageDown") this.pan(0.8);
    else return;
    event.preventDefault();
  }

  draw() {
    const { width } = this.canvas.getBoundingClientRect();
    if (!width) return;
    const lanes = this.history ? lanesOf(this.history.roles).length : 0;
    this.height = HEIGHT + lanes * ROLE_LANE + (lanes && 4);
    this.canvas.style.height = `${this.height}px`;
    const ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    const c = (this.c = this.canvas.getContext("2d"));
    c.scale(ratio, ratio);
    c.font = FONT;
    c.textBaseline = "middle";
    const style = getComputedStyle(this.canvas);
    this.colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const [from, to] = this.range();
    this.x = (atS) => LEFT + ((atS - from) / (to - from)) * (width - 2 * LEFT);
    this.from = from;
    this.to = to;
    this.width = width;
    this.grid();
    if (this.history) {
      this.away();
      this.bars();
    }
    this.voices();
    if (this.history) {
      this.marks();
      this.labels();
      drawRoles(this, ROLES);
    }
    this.cursor(this.pointedS, "faint");
    this.cursor(this.playedS, "bad");
  }

  line(x0, y0, x1, y1, colour, thick = 1) {
    this.c.strokeStyle = colour;
    this.c.lineWidth = thick;
    this.c.beginPath();
    this.c.moveTo(x0, y0);
    this.c.lineTo(x1, y1);
    this.c.stroke();
  }

  bar(fromS, toS, y, height, colour) {
    const [left, right] = [Math.max(-1, this.x(fromS)), Math.min(this.width + 1, this.x(toS))];
    if (right < 0 || left > this.width) return;
    this.c.fillStyle = colour;
    this.c.fillRect(left, y, Math.max(1, right - left), height);
  }

  grid() {
    const wanted = (this.to - this.from) / Math.max(3, this.width / 110);
    const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600].find((one) => one >= wanted) ?? 3600;
    this.c.fillStyle = this.colour("faint");
    for (let at = Math.ceil(this.from / step) * step; at <= this.to; at += step) {
      this.line(this.x(at), 50, this.x(at), this.height - 14, this.colour("line"));
      const text = step < 1 ? `${at.toFixed(1)} s` : at < 60 && step < 60 ? `${Math.round(at)} s` : clock(at);
      if (this.x(at) + 30 < this.width) this.c.fillText(text, this.x(at) + 3, this.height - 8);
    }
  }

  away() {
    for (const { fromS, toS, who } of this.history.away) {
      this.bar(fromS, toS, 94, 140, this.colour(tintOf(who)));
    }
  }

  bars() {
    for (const { fromS, toS } of this.history.turns) this.bar(fromS, toS, LANES.turns - 2, 4, this.colour("turn"));
    for (const { fromS, toS } of this.history.waits) {
      this.bar(fromS, toS, LANES.waits, 1, this.colour("ink"));
      for (const at of [fromS, toS]) this.line(this.x(at), LANES.waits - 3, this.x(at), LANES.waits + 4, this.colour("ink"));
    }
    for (const { fromS, toS } of this.history.tools) this.bar(fromS, toS ?? fromS + 0.2, LANES.tools, 6, this.colour("tool"));
    for (const { atS, unheardS, bargeIn } of this.history.cuts) {
      const next = this.history.marks.find((mark) => mark.sentS > atS)?.sentS ?? Infinity;
      this.bar(atS, Math.min(atS + unheardS, next), LANES.other - VOICE, 2 * VOICE, this.colour("cut"));
      this.line(this.x(atS), LANES.turns, this.x(atS), LANES.other + VOICE, this.colour(bargeIn ? "barge" : "ink"), 1.5);
    }
  }

  voices() {
    const peaks = this.history?.peaks;
    const lanes = [["caller", LANES.caller, "a"], ["other", LANES.other, "b"]];
    for (const [side, y, colour] of lanes) {
      this.line(LEFT, y, this.width - LEFT, y, this.colour("line"));
      this.c.fillStyle = this.colour(colour);
      if (peaks) this.wave(peaks[side], peaks.everyS, y);
      const points = (this.track?.points ?? []).filter(({ atS }) => atS > (peaks?.lengthS ?? -1) && atS >= this.from && atS <= this.to);
      for (const point of points) {
        const tall = Math.max(0.5, point[side] * VOICE);
        this.c.fillRect(this.x(point.atS - 0.25), y - tall, Math.max(1, this.x(point.atS) - this.x(point.atS - 0.25) - 0.5), 2 * tall);
      }
    }
  }

  // A column for each pixel, as tall as the loudest peak in it.
  wave(values, everyS, y) {
    const loudest = Math.max(13, this.history.peaks.loudest ?? (this.history.peaks.loudest = Math.max(...this.history.peaks.caller, ...this.history.peaks.other, 1)));
    const columns = Math.ceil(this.width);
    const secondsPerPixel = (this.to - this.from) / (this.width - 2 * LEFT);
    for (let column = 0; column < columns; column += 1) {
      const at = this.from + (column - LEFT) * secondsPerPixel;
      const first = Math.floor(at / everyS);
      const last = Math.max(first + 1, Math.ceil((at + secondsPerPixel) / everyS));
      let peak = 0;
      for (let index = Math.max(0, first); index < last && index < values.length; index += 1) peak = Math.max(peak, values[index]);
      if (peak) this.c.fillRect(column, y - (peak / loudest) * VOICE, 1, 2 * (peak / loudest) * VOICE);
    }
  }

  marks() {
    const [ink, faint, barge] = [this.colour("ink"), this.colour("mark"), this.colour("barge")];
    for (const { sentS, returnedS, heard } of this.history.marks) {
      const back = returnedS ?? sentS;
      if (back < this.from || sentS > this.to) continue;
      if (returnedS !== null) this.line(this.x(sentS), LANES.sent, this.x(returnedS), LANES.returned, faint, 0.5);
      this.line(this.x(sentS), LANES.sent - 3, this.x(sentS), LANES.sent + 3, ink);
      if (returnedS === null) continue;
      this.c.fillStyle = heard ? ink : barge;
      this.c.beginPath();
      if (heard) this.c.arc(this.x(returnedS), LANES.returned, 2, 0, 7);
      else this.c.rect(this.x(returnedS) - 2.5, LANES.returned - 2.5, 5, 5);
      this.c.fill();
    }
  }

  labels() {
    const { notes, said, replies, cuts, digits, waits } = this.history;
    const [ink, barge] = [this.colour("ink"), this.colour("barge")];
    const interrupted = cuts.filter((cut) => cut.bargeIn).map(({ atS }) => ({ atS, text: "barge-in", colour: barge }));
    this.texts([...notes.map(({ atS, text }) => ({ atS, text, colour: ink })), ...interrupted], LANES.notes);
    this.texts(said.map(({ atS, text, typed }) => ({ atS, text: typed ? `entry ${text}` : `“${text}”`, colour: this.colour("a") })), LANES.said);
    const heard = (reply) => (reply.heardMs === null ? "" : ` only ${(reply.heardMs / 1000).toFixed(2)} s heard`);
    this.texts(
      replies.map((reply) => ({
        atS: reply.fromS,
        text: (reply.text ? `“${reply.text}”` : reply.heardMs === null ? "heard" : "") + heard(reply),
        colour: reply.heardMs === null ? this.colour("b") : barge,
      })),
      LANES.replies,
    );
    this.texts(waits.map(({ fromS, toS }) => ({ atS: toS, text: `${(toS - fromS).toFixed(2)} s`, colour: ink })), [LANES.waits]);
    this.texts(digits.map(({ atS, digit }) => ({ atS, text: digit, colour: ink })), [LANES.turns]);
  }

  // Each text in the first row where it overlaps no other; shortened to its room, or left out.
  texts(labels, rows) {
    const free = rows.map(() => -Infinity);
    const shown = labels.filter(({ atS }) => atS >= this.from - 1e-6 && atS <= this.to).sort((a, b) => a.atS - b.atS);
    for (const [index, { atS, text, colour }] of shown.entries()) {
      const left = this.x(atS) + 2;
      const row = free.findIndex((right) => right <= left);
      if (row < 0) continue;
      const next = shown[index + rows.length];
      const room = Math.min(this.width, next ? Math.max(this.x(next.atS), left + 40) : this.width) - left - 4;
      const fitted = this.fit(text, room);
      if (!fitted) continue;
      const wide = this.c.measureText(fitted).width;
      this.c.fillStyle = this.colour("paper");
      this.c.globalAlpha = 0.75;
      this.c.fillRect(left - 1, rows[row] - 6, wide + 2, 12);
      this.c.globalAlpha = 1;
      this.c.fillStyle = colour;
      this.c.fillText(fitted, left, rows[row]);
      free[row] = left + wide + 6;
    }
  }

  fit(text, room) {
    if (this.c.measureText(text).width <= room) return text;
    let short = text.slice(0, Math.max(0, Math.floor((text.length * room) / this.c.measureText(text).width)));
    while (short && this.c.measureText(`${short}…`).width > room) short = short.slice(0, -1);
    return short.length > 1 ? `${short.trimEnd()}…` : "";
  }

  cursor(atS, colour) {
    if (atS !== null && atS >= this.from && atS <= this.to) this.line(this.x(atS), 50, this.x(atS), this.height, this.colour(colour), 1.5);
  }
}

// The colour behind the voices while the caller hears others than the assistant; `who`: in the words of the history.
export function tintOf(who) {
  if (who.startsWith("with")) return "person";
  return who.startsWith("in a room") ? "room" : "away";
}

export function clock(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
