/**
 * What happened in a call, on one axis of time in seconds since it began: the levels of both voices, and events. No page, no clock.
 *
 * Kinds of events: "mark-sent" and "mark-back" (with the same name), "clear", "told" (how much of a reply the assistant was told
 * you heard), "key", "words", "note".
 */

/** A level above this, in dBFS, is sound. */
export const SOUND_DBFS = -45;
/** Silence of this length ends a turn, seconds; a shorter one is a pause in it. */
export const PAUSE_S = 0.5;
/** Sound that follows yours sooner than this, seconds, is an echo of it and no reply. */
const SHORTEST_WAIT_S = 0.15;
/** Words that come later than this, seconds, are another reply. */
const PAUSE_OF_WORDS_S = 1.5;
/** The newest levels and events that are kept: half an hour of levels. */
const MOST_LEVELS = 90_000;
const MOST_EVENTS = 5_000;

export class Timeline {
  constructor() {
    this.you = []; // [at, dBFS] every 20 ms
    this.assistant = [];
    this.events = [];
    this.marks = new Map(); // name -> event, of those that are out
    this.waitsMs = [];
    this.spokeUntil = null; // when your last sound was
    this.heardUntil = null;
    this.words = new Map(); // speaker -> event that was said last
  }

  /** A 20 ms level of your voice. */
  spoke(at, dbfs) {
    keep(this.you, [at, dbfs], MOST_LEVELS);
    if (dbfs > SOUND_DBFS) this.spokeUntil = at + 0.02;
  }

  /** A 20 ms level of what was played. The wait for a reply ends with its first sound. */
  heard(at, dbfs) {
    keep(this.assistant, [at, dbfs], MOST_LEVELS);
    if (dbfs <= SOUND_DBFS) return;
    const isFirst = this.heardUntil === null || at - this.heardUntil > PAUSE_S;
    if (isFirst && this.spokeUntil !== null && at - this.spokeUntil >= SHORTEST_WAIT_S && (this.heardUntil ?? -1) < this.spokeUntil) {
      this.waitsMs.push(Math.round((at - this.spokeUntil) * 1000));
    }
    this.heardUntil = at + 0.02;
  }

  get lastWaitMs() {
    return this.waitsMs.at(-1) ?? null;
  }

  markSent(at, name) {
    this.marks.set(name, this.#add(at, "mark-sent", { name, back: null }));
  }

  /** A mark went back. `cleared`: because of a clear, not because it was heard. */
  markBack(at, name, cleared) {
    const sent = this.marks.get(name);
    if (sent) sent.back = at;
    this.marks.delete(name);
    this.#add(at, "mark-back", { name, cleared });
  }

  /** The server discarded what was not played: you interrupted. */
  clear(at, droppedMs) {
    return this.#add(at, "clear", { droppedMs });
  }

  /** The assistant was told how much of its reply was heard. */
  told(at, heardMs) {
    return this.#add(at, "told", { heardMs });
  }

  key(at, digit) {
    return this.#add(at, "key", { digit });
  }

  note(at, text) {
    return this.#add(at, "note", { text });
  }

  /** Words of "you" or "assistant". With `grows` they go on with the last ones of this speaker, if those are new. */
  say(at, speaker, text, grows = false) {
    let event = this.words.get(speaker);
    if (grows && event && at - event.until < PAUSE_OF_WORDS_S) event.text += text;
    else event = this.#add(at, "words", { speaker, text });
    event.until = at;
    this.words.set(speaker, event);
    return event;
  }

  #add(at, kind, fields) {
    const event = { at, kind, ...fields };
    keep(this.events, event, MOST_EVENTS);
    return event;
  }
}

/** An event in words; empty for what the drawing alone shows. */
export function inWords(event) {
  switch (event.kind) {
    case "clear":
      return event.droppedMs > 0 ? `You interrupted: ${event.droppedMs} ms that were sent were not played` : "The playout was cleared: nothing was left in it";
    case "told":
      return `The assistant was told that you heard ${event.heardMs} ms of its reply`;
    case "key":
      return `You pressed ${event.digit}`;
    case "words":
      return `${event.speaker === "you" ? "You" : "Assistant"}: ${event.text}`;
    case "note":
      return event.text;
    default:
      return "";
  }
}

/** The median of figures; null if there are none. */
export function median(figures) {
  const ranked = [...figures].sort((one, other) => one - other);
  return ranked.length ? ranked[Math.floor((ranked.length - 1) / 2)] : null;
}

function keep(list, one, most) {
  list.push(one);
  if (list.length > most) list.splice(0, most / 10);
}
