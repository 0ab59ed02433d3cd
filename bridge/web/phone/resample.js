/**
 * Changes the sampling rate between 48 and 8 kHz with the low-pass of telecodecs.resample: the same coefficients (filter.json,
 * written by scripts/phone-filter), the same sums, the same rounding. Sums are exact, so both give the same samples.
 */

/** The rate of the browser's side, Hz. */
export const PAGE_HZ = 48000;
/** The rate of the line, Hz. */
export const LINE_HZ = 8000;

const STEP = PAGE_HZ / LINE_HZ;
const ONE = 1 << 20; // denominator of the coefficients

/** Round half to even, and clip to 16 bits. */
export function rounded(value) {
  let whole = Math.round(value);
  if (whole - value === 0.5 && whole % 2 !== 0) whole -= 1;
  return Math.max(-32768, Math.min(32767, whole));
}

/** From 48 to 8 kHz: `put` takes one sample, and returns one with every sixth, else undefined. */
export class Down {
  constructor(taps) {
    this.taps = Float64Array.from(taps, (tap) => tap / ONE);
    this.line = new Float64Array(2 * taps.length); // each sample twice, so that the newest are always in a row
    this.at = 0;
    this.waiting = 0;
  }

  put(sample) {
    const { taps, line } = this;
    this.at = (this.at === 0 ? taps.length : this.at) - 1;
    line[this.at] = line[this.at + taps.length] = sample;
    if (++this.waiting < STEP) return undefined;
    this.waiting = 0;
    let sum = 0;
    for (let tap = 0; tap < taps.length; tap++) sum += taps[tap] * line[this.at + tap];
    return rounded(sum);
  }
}

/** From 8 to 48 kHz: `put` takes one sample and writes six to `out`. */
export class Up {
  constructor(taps) {
    this.taps = Float64Array.from(taps, (tap) => tap / ONE);
    this.length = Math.ceil(taps.length / STEP);
    this.line = new Float64Array(2 * this.length);
    this.at = 0;
    this.out = new Float64Array(STEP);
  }

  put(sample) {
    const { taps, line, length, out } = this;
    this.at = (this.at === 0 ? length : this.at) - 1;
    line[this.at] = line[this.at + length] = sample;
    for (let phase = 0; phase < STEP; phase++) {
      let sum = 0;
      for (let tap = phase, back = 0; tap < taps.length; tap += STEP, back++) sum += taps[tap] * line[this.at + back];
      out[phase] = rounded(sum);
    }
    return out;
  }
}
