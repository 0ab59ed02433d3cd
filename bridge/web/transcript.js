// The words of a call as they come. A screen reader is told whole utterances, not each piece.

import { el } from "./dom.js";

const PAUSE_MS = 1_200; // without another piece an utterance is over

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

  // Show what was said until now, as the server knows it.
  restart(entries) {
    this.words.replaceChildren();
    this.last = null;
    for (const { speaker, text, at_ms: atMs } of entries) this.append(speaker, text, atMs / 1000);
    this.last = null;
  }

  said(speaker, text, atS) {
    if (this.last?.speaker === speaker) this.last.text.textContent += text;
    else {
      this.whole();
      this.append(speaker, text, atS);
    }
    if (this.isAtEnd()) this.words.scrollTop = this.words.scrollHeight;
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
