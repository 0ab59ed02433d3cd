/** The microphone and the speaker: opens both, with the line between them on the audio thread. */

import { Fault, microphoneFault, NOT_SECURE, OLD_BROWSER } from "./faults.js";
import { PAGE_HZ } from "./resample.js";

const HERE = new URL(".", import.meta.url);

/** What the browser should do to the voice. Its echo cancellation keeps the assistant from hearing itself. */
const VOICE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };

export class Sound {
  constructor(context, source, line, tracks) {
    this.context = context;
    this.line = line;
    this.source = source;
    this.tracks = tracks;
  }

  /** How much later than `at` of the line a sound is heard, and earlier it was spoken: what the devices take, ms. */
  get deviceMs() {
    const input = this.tracks[0]?.getSettings().latency ?? 0;
    const output = this.context.outputLatency ?? this.context.baseLatency ?? 0;
    return (input + output) * 1000;
  }

  post(message) {
    this.line.port.postMessage(message);
  }

  async close() {
    this.post({ hangUp: true });
    for (const track of this.tracks) track.stop();
    this.source.disconnect();
    this.line.disconnect();
    if (this.context.state !== "closed") await this.context.close();
  }
}

/** Open both. Throws a `Fault` with what is wrong. */
export async function openSound() {
  if (!window.isSecureContext || !navigator.mediaDevices) throw new Fault(NOT_SECURE);
  if (!window.AudioWorkletNode) throw new Fault(OLD_BROWSER);
  const context = new AudioContext({ sampleRate: PAGE_HZ, latencyHint: "interactive" });
  let stream = null;
  try {
    const [filter] = await Promise.all([
      fetch(new URL("filter.json", HERE)).then((answer) => answer.json()),
      context.audioWorklet.addModule(new URL("line-worklet.js", HERE)),
    ]);
    stream = await navigator.mediaDevices.getUserMedia({ audio: VOICE }).catch((error) => {
      throw microphoneFault(error);
    });
    const line = new AudioWorkletNode(context, "line", { outputChannelCount: [1], channelCount: 1, processorOptions: { filter } });
    const source = context.createMediaStreamSource(stream);
    source.connect(line).connect(context.destination);
    return new Sound(context, source, line, stream.getAudioTracks());
  } catch (error) {
    for (const track of stream?.getTracks() ?? []) track.stop();
    await context.close();
    throw error;
  }
}
