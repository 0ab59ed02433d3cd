// The words of a call as they come. A screen reader is told whole utterances, not each piece.

import { el } from "./dom.js";

const PAUSE_MS = 1_200; // without another piece an utterance is over

// How many letters of `more` the end of `text` has already.
export function overlap(text, more) {
  for (let length = Math.min(text.length, more.length); length > 0; length -= 1) {
    if (text.endsWith(more.slice(0, length))) return length;
  }
  return 0;
}

export class Transcript {
  constructor(announcer) {
    this.announcer = announcer;
    this.words = el("ol", { class: "transcript", "aria-label": "Words" });
    this.none = el("p", { class: "none" }, "Nobody has said anything yet.");
    this.element = el("section", { "aria-labelledby": "words-heading" }, el("h2", { id: "words-heading" }, "Words"), this.none, this.words);
    this.last = null;
  }

  close() {
    clearTimeout(this.timer);
  }

  // Show what was said until now, as the server knows it. What is being said may come once more, in pieces.
  restart(entries) {
    const speaking = this.last?.speaker;
    this.words.replaceChildren();
    this.last = null;
    for (const { speaker, text, at_ms: atMs } of entries) this.append(speaker, text, atMs / 1000);
    this.overlaps = this.last;
    if (this.last?.speaker !== speaking) this.last = null;
    else this.wholeSoon();
  }

  said(speaker, text, atS) {
    const overlaps = this.overlaps?.speaker === speaker ? this.overlaps : null;
    this.overlaps = null;
    if (overlaps) {
      this.last = overlaps;
      text = text.slice(overlap(overlaps.text.textContent, text));
    }
    const isAtEnd = this.isAtEnd();
    if (this.last?.speaker === speaker) this.last.text.textContent += text;
    else {
      this.whole();
      this.append(speaker, text, atS);
    }
    if (isAtEnd) this.words.scrollTop = this.words.scrollHeight;
    this.wholeSoon();
  }

  wholeSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.whole(), PAUSE_MS);
  }

  over() {
    this.whole();
    if (!this.words.childElementCount) this.none.textContent = "No words are kept.";
  }

  append(speaker, text, atS) {
    this.none.hidden = true;
    const said = el("span", {}, text);
    const item = el("li", { class: speaker }, el("b", {}, speaker), el("time", {}, `${atS.toFixed(1)} s`), said);
    this.words.append(item);
    this.words.scrollTop = this.words.scrollHeight;
    this.last = { speaker, text: said };
  }

  whole() {
    if (!this.last) return;
    const { speaker, text } = this.last;
    this.announcer.tell(`said by ${speaker}`, `${speaker}: ${text.textContent.trim()}`, () => `${speaker}: ${text.textContent.trim()}`);
    this.last = null;
  }

  isAtEnd() {
    return this.words.scrollHeight - this.words.scrollTop - this.words.clientHeight < 80;
  }
}
