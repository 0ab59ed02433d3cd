/**
 * The phone's side of the line, on the browser's audio thread: microphone to frames of 20 ms, playout with its marks, and tones.
 *
 * In:  {play, id}, {mark}, {clear}, {cut}, {muted}, {tone}, {hangUp}
 * Out: {frame, at, dbfs}, {heard, at}, {began, at}, {back, at, cleared}, {dropped, at}
 * "at": seconds on the context's clock; of a frame the time at which its first sample was spoken, else that of the speaker.
 */

import { decode, encode, SILENCE } from "./mulaw.js";
import { PlayoutBuffer } from "./playout.js";
import { Down, PAGE_HZ, rounded, Up } from "./resample.js";

const FRAME = 160; // samples of the line: 20 ms
const FRAME_S = 0.02;
const TONE_S = 0.15;
const TONE_LEVEL = 0.1;
const ROWS_HZ = [697, 770, 852, 941];
const COLUMNS_HZ = [1209, 1336, 1477];
const KEYS = "123456789*0#";

class Line extends AudioWorkletProcessor {
  constructor({ processorOptions: { filter } }) {
    super();
    this.down = new Down(filter.down);
    this.up = new Up(filter.up);
    this.delays = { down: filter.down_ms / 1000, up: filter.up_ms / 1000 };
    this.buffer = new PlayoutBuffer();
    this.frame = new Uint8Array(FRAME);
    this.frameAt = 0;
    this.frameSum = 0;
    this.heardSum = 0;
    this.heardCount = 0;
    this.ready = null; // samples of the speaker, made from one of the line
    this.readyAt = 6;
    this.muted = false;
    this.isOver = false;
    this.tone = null; // {low, high, left}
    this.port.onmessage = ({ data }) => this.#told(data);
  }

  #told(data) {
    const now = this.#playedAt(0);
    if (data.play) this.buffer.play(data.play, data.id);
    else if (data.mark !== undefined) this.#back(this.buffer.mark(data.mark), now, false);
    else if (data.clear) {
      const { names, dropped } = this.buffer.clear();
      this.port.postMessage({ dropped: dropped / 8, at: now });
      this.#back(names, now, true);
    } else if (data.cut) this.buffer.cut();
    else if (data.muted !== undefined) this.muted = data.muted;
    else if (data.tone !== undefined) this.#press(data.tone);
    else if (data.hangUp) this.isOver = true;
  }

  #press(key) {
    const at = KEYS.indexOf(key);
    this.tone = { low: ROWS_HZ[Math.floor(at / 3)], high: COLUMNS_HZ[at % 3], left: TONE_S * PAGE_HZ };
  }

  #back(names, at, cleared) {
    for (const name of names) this.port.postMessage({ back: name, at, cleared });
  }

  #playedAt(index) {
    return currentTime + index / PAGE_HZ + this.delays.up;
  }

  process([input], [output]) {
    if (this.isOver) return false;
    const said = input[0];
    const length = output[0].length;
    for (let index = 0; index < length; index++) {
      this.#hear(said ? said[index] : 0, index);
      output[0][index] = this.#speak(index) / 32768 + this.#toned();
    }
    for (const channel of output.slice(1)) channel.set(output[0]);
    return true;
  }

  #hear(value, index) {
    const sample = this.down.put(rounded(value * 32768));
    if (sample === undefined) return;
    if (this.frameAt === 0) this.frameSum = 0;
    this.frame[this.frameAt++] = this.muted ? SILENCE : encode(sample);
    this.frameSum += this.muted ? 0 : sample * sample;
    if (this.frameAt < FRAME) return;
    this.frameAt = 0;
    const at = currentTime + index / PAGE_HZ - FRAME_S - this.delays.down;
    this.port.postMessage({ frame: this.frame.slice(), at, dbfs: dbfs(this.frameSum) });
  }

  #speak(index) {
    if (this.readyAt === 6) {
      this.readyAt = 0;
      this.ready = this.up.put(this.#next(index));
    }
    return this.ready[this.readyAt++];
  }

  #next(index) {
    const played = this.buffer.take();
    const sample = played === null ? 0 : decode(played.code);
    if (played !== null) {
      if (played.began !== null) this.port.postMessage({ began: played.began, at: this.#playedAt(index) });
      this.#back(played.names, this.#playedAt(index), false);
    }
    this.heardSum += sample * sample;
    if (++this.heardCount === FRAME) {
      this.port.postMessage({ heard: dbfs(this.heardSum), at: this.#playedAt(index) - FRAME_S });
      this.heardSum = this.heardCount = 0;
    }
    return sample;
  }

  #toned() {
    if (this.tone === null) return 0;
    const { low, high, left } = this.tone;
    const at = left / PAGE_HZ;
    if ((this.tone.left -= 1) <= 0) this.tone = null;
    return TONE_LEVEL * (Math.sin(2 * Math.PI * low * at) + Math.sin(2 * Math.PI * high * at));
  }
}

/** The level of a frame, dBFS; silence is -100. */
function dbfs(sum) {
  return sum === 0 ? -100 : Math.max(-100, 10 * Math.log10(sum / FRAME / 32768 ** 2));
}

registerProcessor("line", Line);
