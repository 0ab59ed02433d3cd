// Tells screen readers what happened: one sentence at a time, with time to hear it, and many events as one.

const EVERY_MS = 3_000;
const SOON_MS = 300; // what comes together is told together

export class Announcer {
  constructor(element) {
    this.element = element;
    this.counts = new Map();
    this.timer = null;
  }

  // `one`: the sentence for one such event; `many(n)`: for n of them.
  tell(kind, one, many) {
    const { count = 0 } = this.counts.get(kind) ?? {};
    this.counts.set(kind, { count: count + 1, one, many });
    const freeMs = (this.spokeAt ?? -EVERY_MS) + EVERY_MS - performance.now();
    this.timer ??= setTimeout(() => this.speak(), Math.max(SOON_MS, freeMs));
  }

  speak() {
    const sentences = [...this.counts.values()].map(({ count, one, many }) => (count === 1 ? one : many(count)));
    this.counts.clear();
    this.timer = null;
    this.spokeAt = performance.now();
    this.element.textContent = sentences.join(" ");
  }
}
