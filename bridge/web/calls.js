// The calls under way, as the feed tells of them: no element, no connection. Times are of `now`, in milliseconds.

import { reason } from "./format.js";

const WORDS_KEPT = 160; // letters

export const ORDERS = [
  ["attention", "who needs help first"],
  ["wait", "longest last wait first"],
  ["newest", "newest first"],
  ["longest", "longest first"],
];

export class Calls {
  constructor() {
    this.all = new Map();
  }

  // Take all calls there are; returns the names of those that are gone.
  snapshot(views, now) {
    const there = new Set(views.map((view) => view.id));
    const gone = [...this.all.keys()].filter((id) => !there.has(id));
    for (const id of gone) this.all.delete(id);
    for (const view of views) this.put(view, now);
    return gone;
  }

  // Take a call that is new or has changed; returns whether it is new.
  put(view, now) {
    const before = this.all.get(view.id);
    const isSame = before && before.view.state === view.state && before.view.held === view.held;
    this.all.set(view.id, {
      view,
      toldAt: now,
      stateSince: isSame ? before.stateSince : before ? now : null, // null: it began before the page was opened
      levels: before?.levels ?? [null, null],
      words: before?.words ?? "",
      speaker: before?.speaker ?? "",
    });
    return !before;
  }

  end(id) {
    return this.all.delete(id);
  }

  said({ id, speaker, text }) {
    const call = this.all.get(id);
    if (!call) return;
    call.words = (call.speaker === speaker ? call.words + text : text).slice(-WORDS_KEPT);
    call.speaker = speaker;
  }

  levels(levels) {
    for (const [id, pair] of Object.entries(levels)) {
      const call = this.all.get(id);
      if (call) call.levels = pair;
    }
  }

  lasted(call, now) {
    return call.view.duration_s + (now - call.toldAt) / 1000;
  }

  // Seconds; null where nobody saw the state begin.
  inState(call, now) {
    return call.stateSince === null ? null : (now - call.stateSince) / 1000;
  }

  // Those that fit the filter, in an order of `ORDERS`.
  sorted(order, filter, now) {
    const wanted = filter.trim().toLowerCase();
    const found = [...this.all.values()].filter(({ view }) => !wanted || haystack(view).includes(wanted));
    const keys = new Map(found.map((call) => [call, this.key(call, order, now)]));
    return found.sort((a, b) => {
      const [first, second] = [keys.get(a), keys.get(b)];
      for (const index of first.keys()) if (first[index] !== second[index]) return second[index] - first[index];
      return a.view.id < b.view.id ? -1 : 1;
    });
  }

  key(call, order, now) {
    const began = Date.parse(call.view.began_at) || 0;
    if (order === "newest") return [began];
    if (order === "longest") return [-began];
    if (order === "wait") return [call.view.last_wait_ms ?? -1];
    const isWaiting = call.view.held || ["holding", "opening", "waiting"].includes(call.view.state);
    return [
      isWaiting ? 2 : reason(call.view, this.inState(call, now)) ? 1 : 0,
      isWaiting ? (this.inState(call, now) ?? this.lasted(call, now)) : (call.view.last_wait_ms ?? -1),
    ];
  }
}

function haystack(view) {
  return [view.id, view.from, view.to, view.assistant, view.carrier, view.state, view.route].join(" ").toLowerCase();
}
