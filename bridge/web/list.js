// The list of calls: a row for each, changed in place, and put in order at rest.

import { ORDERS } from "./calls.js";
import { choose, el, say } from "./dom.js";
import { duration, hearing, loudness, reason, wait } from "./format.js";
import { Refused, ask } from "./server.js";

const ORDER_MS = 2_000; // from one order to the next, so that a row can be read and hit

const COLUMNS = ["caller → called", "state", "assistant", "who hears whom", "levels", "last wait", "lasts"];

export class CallList {
  constructor(calls, session, announcer) {
    this.calls = calls;
    this.announcer = announcer;
    this.rows = new Map();
    const [orderLabel, order] = choose("Order", ORDERS, { onchange: () => this.arrange() });
    this.order = order;
    this.filter = el("input", { type: "search", placeholder: "number, assistant, state …", autocomplete: "off", oninput: () => this.arrange() });
    this.heading = el("h1", { tabindex: "-1" }, "Calls");
    this.none = el("p", { class: "none" }, "No call is under way.");
    this.first = el("p", { hidden: true }, el("a", { href: "phone" }, "Talk to your assistant"), " with the microphone of this computer.");
    this.hasPhone = session.has_phone;
    this.list = el("ul", { class: "calls", "aria-label": "Calls under way" });
    this.element = el(
      "section",
      { "aria-labelledby": "calls-heading" },
      el("div", { class: "bar" }, this.heading, el("label", {}, el("span", {}, "Search"), this.filter), orderLabel),
      session.can.includes("place") ? placing(session) : null,
      this.none,
      this.first,
      el("div", { class: "columns-of-calls", "aria-hidden": "true" }, ...COLUMNS.map((name) => el("span", {}, name))),
      this.list,
    );
    this.heading.id = "calls-heading";
    this.timer = setInterval(() => this.tick(), 1_000);
    this.orderedAt = 0;
    this.key = (event) => {
      if (event.key === "/" && !/INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) {
        event.preventDefault();
        this.filter.focus();
      }
    };
    addEventListener("keydown", this.key);
  }

  close() {
    clearInterval(this.timer);
    removeEventListener("keydown", this.key);
  }

  take(name, message) {
    const now = performance.now();
    if (name === "snapshot") {
      this.calls.snapshot(message.calls, now);
      for (const id of this.calls.all.keys()) this.show(id, now);
      this.arrange();
    } else if (name === "call") {
      const isNew = this.calls.put(message, now);
      this.show(message.id, now);
      if (isNew) {
        this.arrange();
        this.announcer.tell("new", `New call from ${message.from || "an unknown number"}.`, (n) => `${n} new calls.`);
      }
    } else if (name === "ended") {
      const call = this.calls.all.get(message.id);
      this.calls.end(message.id);
      this.arrange();
      if (call) this.announcer.tell("ended", `The call from ${call.view.from || "an unknown number"} has ended.`, (n) => `${n} calls have ended.`);
    } else if (name === "text") {
      this.calls.said(message);
      this.showWords(message.id);
    } else if (name === "levels") {
      this.calls.levels(message);
      this.showLevels(message);
    }
  }

  tick() {
    const now = performance.now();
    for (const [id, row] of this.rows) this.showTime(row, this.calls.all.get(id), now);
    const isInUse = this.list.contains(document.activeElement) || this.list.matches(":hover");
    if (!isInUse && now - this.orderedAt >= ORDER_MS) this.arrange();
  }

  arrange() {
    const now = (this.orderedAt = performance.now());
    const sorted = this.calls.sorted(this.order.value, this.filter.value, now);
    const shown = new Set(sorted.map((call) => call.view.id));
    for (const [id, row] of this.rows) {
      if (shown.has(id)) continue;
      if (row.element.contains(document.activeElement)) this.heading.focus();
      row.element.remove();
      this.rows.delete(id);
    }
    let before = null;
    for (const call of sorted) {
      const { element } = this.rows.get(call.view.id) ?? this.show(call.view.id, now);
      const next = before ? before.nextSibling : this.list.firstChild;
      if (next !== element) {
        const had = element.contains(document.activeElement) ? document.activeElement : null;
        this.list.insertBefore(element, next);
        had?.focus({ preventScroll: true });
      }
      before = element;
    }
    const all = this.calls.all.size;
    say(this.heading, all === 1 ? "1 call" : `${all} calls`);
    say(this.none, all ? "No call fits the search." : "No call is under way.");
    this.none.hidden = sorted.length > 0;
    this.first.hidden = all > 0 || !this.hasPhone;
    document.title = `${all === 1 ? "1 call" : `${all} calls`} – voicebridge`;
  }

  show(id, now) {
    const call = this.calls.all.get(id);
    const row = this.rows.get(id) ?? this.newRow(id);
    const { view } = call;
    say(row.from, view.from || "unknown");
    say(row.to, view.to || "unknown");
    say(row.assistant, view.assistant || "–");
    say(row.state, view.state);
    row.state.dataset.state = view.held ? "held" : view.state;
    const pairs = hearing(view.parties ?? []);
    say(row.hears, pairs.map(([a, sign, b]) => `${a} ${sign} ${b}`).join(", ") || "nobody hears anybody");
    row.hears.title = pairs.map((pair) => pair[3]).join("; ");
    say(row.wait, wait(view.last_wait_ms));
    say(row.digits, view.digits ? `keys ${view.digits}` : "");
    this.showTime(row, call, now);
    return row;
  }

  showTime(row, call, now) {
    if (!call) return;
    say(row.time, duration(this.calls.lasted(call, now)));
    const why = reason(call.view, this.calls.inState(call, now));
    say(row.why, why);
    row.element.classList.toggle("attention", why !== "");
  }

  showWords(id) {
    const [row, call] = [this.rows.get(id), this.calls.all.get(id)];
    if (!row || !call) return;
    say(row.speaker, call.speaker ? `${call.speaker}: ` : "");
    say(row.said, call.words);
  }

  showLevels(levels) {
    for (const [id, pair] of Object.entries(levels)) {
      const row = this.rows.get(id);
      if (!row) continue;
      for (const side of [0, 1]) {
        const scale = loudness(pair[side]).toFixed(2);
        if (row.scales[side] === scale) continue;
        row.scales[side] = scale;
        row.meters[side].style.transform = `scaleX(${scale})`;
      }
    }
  }

  newRow(id) {
    const part = (name, hint = "") => {
      const text = el("span");
      return [text, el("span", { class: name }, hint ? el("span", { class: "hint" }, hint) : null, text)];
    };
    const [from, to] = [el("span"), el("span")];
    const state = el("span", { class: "state" });
    const [assistant, assistantPart] = part("assistant", "assistant ");
    const [hears, hearsPart] = part("hears");
    const [waited, waitPart] = part("wait", "last wait ");
    const [time, timePart] = part("time", "lasts ");
    const [digits, digitsPart] = part("digits");
    const [why, whyPart] = part("why");
    const [speaker, said] = [el("b"), el("span")];
    const meters = [el("i", { class: "a" }), el("i", { class: "b" })];
    const element = el(
      "li",
      {},
      el("a", { class: "who", href: `#/call/${encodeURIComponent(id)}` }, from, " → ", to),
      el("span", { class: "facts" }, state, whyPart, digitsPart),
      assistantPart,
      hearsPart,
      el("span", { class: "meters", "aria-hidden": "true", title: "levels: caller above, assistant below" }, ...meters),
      waitPart,
      timePart,
      el("p", { class: "words" }, speaker, said),
    );
    const row = { element, from, to, state, assistant, hears, wait: waited, time, digits, why, speaker, said, meters, scales: ["", ""] };
    this.rows.set(id, row);
    this.showWords(id);
    return row;
  }
}

// The form that has a carrier call somebody.
function placing({ carriers, assistants }) {
  const [carrierLabel, carrier] = choose("Carrier", carriers.map((name) => [name, name]));
  const [assistantLabel, assistant] = choose("Assistant", [["", "the default"], ...assistants.map((name) => [name, name])]);
  const to = el("input", { type: "tel", required: true, placeholder: "+15550100", autocomplete: "off" });
  const from = el("input", { type: "tel", required: true, autocomplete: "off", title: "a number of yours at the carrier" });
  const said = el("p", { class: "outcome", role: "status" });
  const form = el("form", { class: "group" }, carrierLabel, el("label", {}, el("span", {}, "Number"), to), el("label", {}, el("span", {}, "From your number"), from), assistantLabel, el("button", {}, "Call"), said);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    say(said, "…");
    const body = { carrier: carrier.value, to: to.value.trim(), from: from.value.trim(), ...(assistant.value ? { assistant: assistant.value } : {}) };
    try {
      const { id } = await ask("calls", "POST", body);
      said.replaceChildren("It rings: ", el("a", { href: `#/call/${encodeURIComponent(id)}` }, id));
      to.value = "";
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      say(said, `Not done: ${refused.message}`);
    }
  });
  return el("details", { class: "place" }, el("summary", {}, "Place a call"), form);
}
