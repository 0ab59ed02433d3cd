/**
 * The playout buffer of the phone: what the server sent and the speaker has not played. Time is counted in samples of the line.
 *
 * A mark is reached when all audio before it has been played, at once if nothing is buffered. A clear empties the buffer and
 * returns every pending mark (Twilio, "Media Streams - WebSocket Messages": mark, clear). Audio that finds the buffer empty
 * waits for `jitter` samples or until so many are there, so that a late message makes no gap.
 */
export class PlayoutBuffer {
  constructor(jitter = 480) {
    this.jitter = jitter;
    this.played = 0; // samples, since the call began
    this.queued = 0; // samples, played and buffered
    this.chunks = []; // [audio, id]
    this.offset = 0; // in the first chunk
    this.hold = 0;
    this.marks = []; // [name, position]
  }

  get buffered() {
    return this.queued - this.played;
  }

  /** Queue mu-law codes. `id`: is told by `take` when their first sample is played. */
  play(audio, id = null) {
    if (!audio.length) return;
    if (this.buffered === 0) this.hold = this.jitter;
    this.chunks.push([audio, id]);
    this.queued += audio.length;
  }

  /** Set a mark behind what is buffered. Returns the names that are reached by that. */
  mark(name) {
    this.marks.push([name, this.queued]);
    return this.#reached();
  }

  /** Discard what is not played. Returns the pending marks, and how many samples were discarded. */
  clear() {
    const dropped = this.buffered;
    const names = this.marks.map(([name]) => name);
    this.cut();
    return { names, dropped };
  }

  /** The stream is gone: discard what is not played, and every mark. */
  cut() {
    this.queued = this.played;
    this.chunks = [];
    this.offset = 0;
    this.marks = [];
  }

  /** Play one sample. Returns {code, began, names}; null if there is nothing to play. */
  take() {
    if (this.buffered === 0) return null;
    if (this.hold > 0 && this.buffered < this.jitter) {
      this.hold -= 1;
      return null;
    }
    this.hold = 0;
    const [audio, id] = this.chunks[0];
    const code = audio[this.offset];
    const began = this.offset === 0 ? id : null;
    this.offset += 1;
    this.played += 1;
    if (this.offset === audio.length) {
      this.chunks.shift();
      this.offset = 0;
    }
    return { code, began, names: this.marks.length ? this.#reached() : NONE };
  }

  #reached() {
    const names = [];
    while (this.marks.length && this.marks[0][1] <= this.played) names.push(this.marks.shift()[0]);
    return names;
  }
}

const NONE = [];
