/** Mu-law (ITU-T G.711): 16-bit samples to 8-bit codes and back, the same law as telecodecs.g711. */

const BIAS = 33; // puts the borders of the segments on powers of two
const CLIP = 8158; // of 14 bits
const INVERTED = 0xff; // on the line every bit is inverted

/** The code of silence. */
export const SILENCE = 0xff;

function compress(sample) {
  const linear = sample >> 2;
  const biased = Math.min(Math.abs(linear), CLIP) + BIAS;
  const segment = 31 - Math.clz32(biased) - 5;
  const step = (biased >> (segment + 1)) & 0x0f;
  return ((linear < 0 ? 0x80 : 0) | (segment << 4) | step) ^ INVERTED;
}

function expand(code) {
  const bits = code ^ INVERTED;
  const segment = (bits >> 4) & 7;
  const linear = ((2 * (bits & 0x0f) + BIAS) << segment) - BIAS;
  return (bits & 0x80 ? -linear : linear) << 2;
}

const CODE_OF_SAMPLE = Uint8Array.from({ length: 65536 }, (_, at) => compress(at - 32768));
const SAMPLE_OF_CODE = Int16Array.from({ length: 256 }, (_, code) => expand(code));

/** The code of one sample, -32768 to 32767. */
export function encode(sample) {
  return CODE_OF_SAMPLE[sample + 32768];
}

/** The sample of one code. */
export function decode(code) {
  return SAMPLE_OF_CODE[code];
}
