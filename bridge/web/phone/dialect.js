/** The messages of Twilio Media Streams, as the carrier words them (Twilio, "Media Streams - WebSocket Messages"). */

/** Milliseconds of audio in one message. */
export const FRAME_MS = 20;

const ACCOUNT = `AC${"0".repeat(32)}`;

export class Stream {
  constructor(callSid, streamSid) {
    this.callSid = callSid;
    this.streamSid = streamSid;
    this.sequence = 0;
    this.chunk = 0;
  }

  /** The two messages before the first audio. */
  opening() {
    const start = {
      accountSid: ACCOUNT,
      streamSid: this.streamSid,
      callSid: this.callSid,
      tracks: ["inbound"],
      mediaFormat: { encoding: "audio/x-mulaw", sampleRate: 8000, channels: 1 },
      customParameters: {},
    };
    return [JSON.stringify({ event: "connected", protocol: "Call", version: "1.0.0" }), this.#message("start", start)];
  }

  /** One frame of mu-law codes. `atMs`: of its first sample, since the stream began. */
  media(audio, atMs) {
    this.chunk += 1;
    const payload = btoa(String.fromCharCode(...audio));
    return this.#message("media", { track: "inbound", chunk: `${this.chunk}`, timestamp: `${atMs}`, payload });
  }

  mark(name) {
    return this.#message("mark", { name });
  }

  dtmf(digit) {
    return this.#message("dtmf", { track: "inbound_track", digit });
  }

  stop() {
    return this.#message("stop", { accountSid: ACCOUNT, callSid: this.callSid });
  }

  /** What the server says: {play}, {mark} or {clear}; null for what Twilio would not take. */
  decode(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return null;
    }
    if (message?.streamSid !== this.streamSid) return null;
    if (message.event === "media") return { play: Uint8Array.from(atob(message.media.payload), (letter) => letter.charCodeAt(0)) };
    if (message.event === "mark") return { mark: message.mark.name };
    return message.event === "clear" ? { clear: true } : null;
  }

  #message(event, body) {
    this.sequence += 1;
    return JSON.stringify({ event, sequenceNumber: `${this.sequence}`, streamSid: this.streamSid, [event]: body });
  }
}

/** A name for a further stream of the call. */
export function newStreamSid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `MZ${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
