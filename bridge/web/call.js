// One call: who hears whom, both voices and what happened, its words, its recording, and what can be done to it.

import { Actions } from "./actions.js";
import { el, say } from "./dom.js";
import { duration, hearing, loudness, wait } from "./format.js";
import { LevelTrack, readHistory, sentences } from "./history.js";
import { Refused, ask, callPath } from "./server.js";
import { Timeline, clock, tintOf } from "./timeline.js";
import { Transcript } from "./transcript.js";

const SHORTEST_REFRESH_MS = 2_000;
const REFRESH_SHARE = 40; // the server draws a history for at most this part of the time
const LINES_KEPT = 500;

export class CallPage {
  constructor(id, session, announcer) {
    this.id = id;
    this.announcer = announcer;
    this.track = new LevelTrack();
    this.isOver = false;
    this.view = null;
    this.heading = el("h1", { tabindex: "-1" }, "Call");
    this.about = el("p", { class: "about" });
    this.facts = el("ul", { class: "factlist" });
    this.parties = el("ul", { class: "parties", "aria-label": "Who hears whom" });
    this.meters = [el("i", { class: "a" }), el("i", { class: "b" })];
    this.actions = new Actions(id, session);
    this.transcript = new Transcript(announcer);
    this.canvas = el("canvas", { class: "timeline", tabindex: "0", role: "img", "aria-label": "The voices of the call" });
    this.timeline = new Timeline(this.canvas, (atS) => this.pointed(atS));
    this.timeline.track = this.track;
    this.key = el("ul", { class: "key" }, ...keyOf(null));
    this.moment = el("p", { class: "moment" });
    this.player = el("audio", { controls: true, preload: "none", "aria-label": "Recording of the call" });
    this.player.hidden = true;
    for (const name of ["timeupdate", "seeking"]) this.player.addEventListener(name, () => this.played());
    this.summary = el("p", { class: "summary" });
    this.missing = el("ul", { class: "missing" });
    this.happened = el("ol", { class: "happened" });
    this.lines = el("ol", { class: "lines" });
    this.element = el(
      "article",
      { "aria-labelledby": "call-heading" },
      el("p", { class: "back" }, el("a", { href: "#/" }, "← All calls")),
      el("div", { class: "bar" }, this.heading, el("span", { class: "meters large", "aria-hidden": "true" }, ...this.meters)),
      this.about,
      this.facts,
      el("section", { "aria-label": "Who hears whom" }, this.parties),
      this.actions.element,
      this.drawing(),
      el("div", { class: "columns" }, this.transcript.element, el("section", { "aria-labelledby": "happened-heading" }, el("h2", { id: "happened-heading" }, "What happened"), this.happened)),
      el("details", {}, el("summary", {}, "Journal, as it is written"), this.lines),
    );
    this.heading.id = "call-heading";
    this.timer = setInterval(() => this.tick(), 500);
    this.refresh();
  }

  drawing() {
    const view = (text, seconds) => el("button", { type: "button", onclick: () => this.timeline.show(seconds) }, text);
    return el(
      "section",
      { "aria-labelledby": "drawing-heading" },
      el("div", { class: "bar" }, el("h2", { id: "drawing-heading" }, "Timeline"), el("span", { class: "group", role: "group", "aria-label": "Stretch that is shown" }, view("20 s", 20), view("2 min", 120), view("all", null))),
      this.canvas,
      this.key,
      this.moment,
      this.player,
      this.summary,
      this.missing,
    );
  }

  close() {
    clearInterval(this.timer);
    clearTimeout(this.refreshTimer);
    this.isClosed = true;
    this.timeline.close();
    this.transcript.close();
    this.player.pause();
    this.player.removeAttribute("src");
  }

  take(name, message) {
    if (name === "snapshot") {
      const view = message.calls.find((call) => call.id === this.id);
      if (view) this.show(view);
      else this.ended();
      if (view) this.words();
    } else if (name === "call" && message.id === this.id) this.show(message);
    else if (name === "ended" && message.id === this.id) this.ended(message.reason);
    else if (name === "text") {
      this.cameMeanwhile = true;
      this.transcript.said(message.speaker, message.text, this.nowS());
    }
    else if (name === "word") this.line(message);
    else if (name === "levels" && message[this.id]) this.levels(message[this.id]);
  }

  // The feed tells that there is no such call: it may be over, and have left its files.
  gone() {
    if (!this.view) say(this.heading, `Call ${this.id}`);
    this.ended();
  }

  nowS() {
    return this.view ? this.view.duration_s + (performance.now() - this.toldAt) / 1000 : 0;
  }

  show(view) {
    this.view = view;
    this.toldAt = performance.now();
    say(this.heading, `${view.from || "unknown"} → ${view.to || "unknown"}`);
    document.title = `${view.from || "unknown"} – voicebridge`;
    say(this.about, `Call ${view.id}, ${[view.direction, view.carrier].filter(Boolean).join(" by ")}`);
    this.facts.replaceChildren(
      fact("state", view.held ? `${view.state}, held` : view.state, view.held ? "held" : view.state),
      fact("lasts", duration(view.duration_s), "", (this.time = el("b"))),
      fact("assistant", view.assistant || "–"),
      ...(view.route ? [fact("route", view.route)] : []),
      fact("last wait", wait(view.last_wait_ms)),
      ...(view.digits ? [fact("keys", view.digits)] : []),
      ...((view.muted ?? []).length ? [fact("muted", view.muted.join(", "))] : []),
    );
    this.parties.replaceChildren(...partyRows(view.parties ?? []));
    this.actions.update(view);
    this.tick();
  }

  async words() {
    try {
      let told;
      do {
        this.cameMeanwhile = false; // it may be in what is told, or not
        told = await ask(callPath(this.id));
      } while (this.cameMeanwhile && !this.isClosed);
      this.transcript.restart(told.transcript ?? []);
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
    }
  }

  tick() {
    if (!this.view || this.isOver) return;
    if (this.time) say(this.time, duration(this.nowS()));
    this.timeline.nowS = this.nowS();
    this.timeline.ask();
  }

  levels([caller, other]) {
    const scales = [loudness(caller), loudness(other)];
    for (const side of [0, 1]) this.meters[side].style.transform = `scaleX(${scales[side].toFixed(2)})`;
    this.track.add(this.nowS(), ...scales);
  }

  line(word) {
    const { at_ms: atMs, what, ...rest } = word;
    const text = Object.entries(rest).filter(([name]) => name !== "way" && name !== "at").map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`).join(" ");
    this.lines.append(el("li", {}, el("time", {}, `${(atMs / 1000).toFixed(2)} s`), " ", el("b", {}, what), " ", text));
    if (this.lines.childElementCount > LINES_KEPT) this.lines.firstElementChild.remove();
    this.refreshSoon();
  }

  ended(reason = "") {
    if (this.isOver) return;
    this.isOver = true;
    for (const meter of this.meters) meter.style.transform = "scaleX(0)";
    this.timeline.nowS = null;
    this.actions.over();
    this.facts.prepend(fact("state", reason ? `ended: ${reason}` : "not under way", "ended"));
    if (this.view) this.facts.children[1]?.remove();
    this.transcript.over();
    this.announcer.tell("over", reason ? `This call has ended: ${reason}.` : "This call is not under way.", () => "This call has ended.");
    clearTimeout(this.refreshTimer);
    this.refreshTimer = setTimeout(() => this.refresh(), 700); // its files are complete by then
  }

  refreshSoon() {
    if (this.refreshTimer || this.isOver) return;
    this.refreshTimer = setTimeout(() => this.refresh(), Math.max(SHORTEST_REFRESH_MS, REFRESH_SHARE * (this.tookMs ?? 0)));
  }

  async refresh() {
    this.refreshTimer = null;
    const began = performance.now();
    try {
      this.drawn(readHistory(await ask(callPath(this.id, "/history"))));
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      if (refused.status === 404 && !this.view) this.missing.replaceChildren(el("li", {}, "Nothing is kept of a call of this name."));
    }
    this.tookMs = performance.now() - began;
  }

  drawn(history) {
    if (this.isClosed) return;
    this.timeline.history = history;
    this.timeline.ask();
    this.key.replaceChildren(...keyOf(history));
    this.canvas.setAttribute("aria-label", `The voices of the call, and what happened. ${history.summary.join(" ")} Arrow keys move in time.`);
    say(this.summary, history.summary.join(" "));
    this.missing.replaceChildren(...history.missing.map((text) => el("li", {}, text)));
    const told = sentences(history);
    if (told.length !== this.happened.childElementCount) {
      this.happened.replaceChildren(...told.map(({ atS, kind, text }) => el("li", { class: kind }, el("button", { type: "button", class: "at", onclick: () => this.pointed(atS, true) }, `${atS.toFixed(1)} s`), " ", text)));
    }
    if (history.peaks && this.player.hidden) {
      this.player.hidden = false;
      this.player.src = callPath(this.id, "/recording");
    }
    if (this.isOver && history.isOver && history.peaks && this.player.paused && !this.isReloaded) {
      this.isReloaded = true; // the whole of it
      this.player.src = callPath(this.id, "/recording");
    }
  }

  pointed(atS, reveals = false) {
    if (reveals) this.timeline.reveal(atS);
    say(this.moment, `at ${atS.toFixed(2)} s (${clock(atS)})`);
    if (!this.player.hidden) this.player.currentTime = Math.max(0, atS);
  }

  played() {
    this.timeline.playedS = this.player.currentTime;
    this.timeline.ask();
  }
}

// What the colours of the drawing mean. `history`: null before it is known.
function keyOf(history) {
  const right = history?.hasRoom ? "all that the caller heard" : "assistant, as the caller heard it";
  const turn = history?.hasRoom ? "a turn, in what the assistant heard" : "caller’s turn";
  const key = [["a", "caller"], ["b", right], ["turnkey", turn], ["toolkey", "a tool runs"], ["cutkey", "thrown away unheard"], ["bargekey", "barge-in"], ["markkey", "marks: sent, and back"]];
  const tints = new Set((history?.away ?? []).map(({ who }) => tintOf(who)));
  if (tints.has("away")) key.push(["awaykey", "the caller waits for a person"]);
  if (tints.has("person")) key.push(["personkey", "with a person, who is not recorded"]);
  if (tints.has("room")) key.push(["roomkey", "with a person, mixed by the bridge"]);
  if (history?.roles.length) key.push(["heardkey", "somebody hears this party (→ who)"], ["unheardkey", "nobody in this call hears this party"]);
  return key.map(([colour, text]) => el("li", {}, el("i", { class: colour }), text));
}

function fact(name, value, state = "", element = el("b")) {
  element.textContent = value;
  if (state) {
    element.className = "state";
    element.dataset.state = state;
  }
  return el("li", {}, `${name} `, element);
}

function partyRows(parties) {
  const pairs = hearing(parties);
  const roles = parties.map(({ name, role }) => el("li", { class: "party" }, el("b", {}, name), ` ${role}`));
  const hears = pairs.map(([a, sign, b, words]) => el("li", {}, el("span", { "aria-hidden": "true" }, `${a} ${sign} ${b}`), el("span", { class: "hidden" }, words)));
  return [...roles, ...hears];
}
