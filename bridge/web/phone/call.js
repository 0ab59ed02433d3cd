/**
 * One call of the phone: the media socket and the line, and what becomes of them. It draws nothing; it tells `seen` what happens.
 *
 * The socket speaks Twilio's dialect. If it breaks, the call comes back on a new stream with the same token, as long as the
 * server waits for it.
 */

import { FRAME_MS, newStreamSid, Stream } from "./dialect.js";
import { closeWords, CUT, ENDED_MICROPHONE, Fault, LOST, NOT_LET_IN, OFFLINE, refusalOf, SERVER_AWAY, SUSPENDED } from "./faults.js";
import { Timeline } from "./timeline.js";

const RETURNS_MS = 10_000;
const BUSY = 503; // a browser that starts can hold up a small machine for a moment
const BUSY_MS = 1_000;
const TRIES = 2;
const RETRY_MS = 400;
const UNSENT_BYTES = 65_536; // some four seconds: Twilio discards audio for a server that reads too slowly
const BROKEN = 1006;
const MOST_ECHO = 500; // frames that may still come back: 10 s

/** Ask the server for a call; a server that is busy is asked again. Throws a `Fault`. */
export async function announce(assistant, tries = TRIES) {
  let answer;
  try {
    answer = await fetch("phone/calls", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ assistant }),
    });
  } catch {
    throw new Fault(SERVER_AWAY);
  }
  if (answer.ok) return answer.json();
  if (answer.status !== BUSY || tries <= 1) throw await refusalOf(answer);
  await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
  return announce(assistant, tries - 1);
}

export class Call {
  /** `seen(what, words)`: "live", "trouble", "suspended", "over". */
  constructor(placed, sound, seen) {
    this.placed = placed;
    this.timeline = new Timeline();
    this.delaysMs = [];
    this.marksBack = 0;
    this.muted = false;
    this.isOver = false;
    this.sound = sound;
    this.seen = seen;
    this.began = sound.context.currentTime; // the axis of the timeline is the clock of the context
    this.stream = null;
    this.socket = null;
    this.isOpen = false;
    this.wasOpen = false;
    this.lostAt = null;
    this.sentMs = 0; // of this stream
    this.pausedAt = null;
    this.saidAt = new Map(); // payload -> when its first sample was spoken
    this.echoes = new Map(); // id of a message that is to be played -> when it was spoken
    this.messages = 0;
    sound.line.port.onmessage = ({ data }) => this.#line(data);
    sound.context.onstatechange = () => this.#stateChanged();
    for (const track of sound.tracks) track.onended = () => this.isOver || this.seen("trouble", ENDED_MICROPHONE);
    this.offline = () => this.seen("trouble", OFFLINE);
    this.online = () => this.isOpen && this.seen("live", "");
    window.addEventListener("offline", this.offline);
    window.addEventListener("online", this.online);
    this.#stateChanged();
    this.#open(placed.stream_sid);
  }

  get now() {
    return this.sound.context.currentTime - this.began;
  }

  mute(muted) {
    this.muted = muted;
    this.sound.post({ muted });
    this.timeline.note(this.now, muted ? "You muted yourself" : "You unmuted yourself");
  }

  /** Press a key: it is heard here, and sent as a message; the carrier keeps its tone from the voice. */
  press(digit) {
    this.sound.post({ tone: digit });
    if (this.isOpen) this.socket.send(this.stream.dtmf(digit));
    this.timeline.key(this.now, digit);
  }

  hangUp() {
    if (this.isOver) return;
    if (this.isOpen) this.socket.send(this.stream.stop());
    this.#end("You hung up.");
  }

  // The socket

  #open(streamSid) {
    const url = new URL(this.placed.url, document.baseURI);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    this.socket = socket;
    this.stream = new Stream(this.placed.call_id, streamSid);
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => socket === this.socket && this.#told(data);
    socket.onclose = ({ code, reason }) => socket === this.socket && this.#closed(code, reason);
  }

  #opened() {
    for (const message of this.stream.opening()) this.socket.send(message);
    this.isOpen = this.wasOpen = true;
    this.sentMs = 0;
    if (this.lostAt !== null) this.timeline.note(this.now, "The network is back, and the call goes on");
    this.lostAt = null;
    this.seen("live", "");
  }

  #told(text) {
    const said = this.stream.decode(text);
    if (said === null) return;
    if (said.play) {
      const id = ++this.messages;
      const spokenAt = this.saidAt.get(keyOf(said.play));
      if (spokenAt !== undefined) this.echoes.set(id, spokenAt);
      this.sound.post({ play: said.play, id });
    } else if (said.mark !== undefined) {
      this.timeline.markSent(this.now, said.mark);
      this.sound.post({ mark: said.mark });
    } else this.sound.post({ clear: true });
  }

  #closed(code, reason) {
    this.isOpen = false;
    if (this.isOver) return;
    if (!this.wasOpen) return this.#end(NOT_LET_IN, true);
    if (code !== BROKEN) return this.#end(closeWords(code, reason), code !== 1000);
    const now = performance.now();
    if (this.lostAt === null) {
      this.lostAt = now;
      this.sound.post({ cut: true });
      this.timeline.marks.clear();
      this.timeline.note(this.now, "The network was cut");
      this.seen("trouble", CUT);
    }
    if (now - this.lostAt > RETURNS_MS) return this.#end(LOST, true);
    this.retry = setTimeout(() => this.isOver || this.#open(newStreamSid()), RETRY_MS);
  }

  // The line

  #line(data) {
    if (this.isOver) return;
    const at = data.at - this.began;
    if (data.frame) this.#send(data.frame, at, data.dbfs);
    else if (data.heard !== undefined) this.timeline.heard(at, data.heard);
    else if (data.began !== undefined) this.#played(data.began, at);
    else if (data.back !== undefined) this.#back(data.back, at, data.cleared);
    else if (data.dropped !== undefined) this.timeline.clear(at, Math.round(data.dropped));
  }

  #send(frame, at, dbfs) {
    this.timeline.spoke(at, dbfs);
    if (!this.isOpen) return;
    if (this.socket.bufferedAmount <= UNSENT_BYTES) this.socket.send(this.stream.media(frame, this.sentMs));
    this.sentMs += FRAME_MS;
    if (new Set(frame).size > 2) remember(this.saidAt, keyOf(frame), at);
  }

  #played(id, at) {
    const spokenAt = this.echoes.get(id);
    if (spokenAt === undefined) return;
    this.echoes.delete(id);
    this.delaysMs.push((at - spokenAt) * 1000 + this.sound.deviceMs);
    if (this.delaysMs.length > MOST_ECHO) this.delaysMs.shift();
  }

  #back(name, at, cleared) {
    this.timeline.markBack(at, name, cleared);
    this.marksBack += 1;
    if (this.isOpen) this.socket.send(this.stream.mark(name));
  }

  // The browser

  /** The browser pauses and resumes the sound. What was not spoken meanwhile is a gap in the timestamps. */
  #stateChanged() {
    if (this.isOver) return;
    if (this.sound.context.state !== "running") {
      this.pausedAt ??= performance.now();
      this.seen("suspended", SUSPENDED);
    } else if (this.pausedAt !== null) {
      this.sentMs += Math.round((performance.now() - this.pausedAt) / FRAME_MS) * FRAME_MS;
      this.pausedAt = null;
      this.seen("live", "");
    }
  }

  async resume() {
    await this.sound.context.resume();
  }

  #end(words, isBad = false) {
    this.isOver = true;
    clearTimeout(this.retry);
    window.removeEventListener("offline", this.offline);
    window.removeEventListener("online", this.online);
    this.timeline.note(this.now, words);
    this.isOpen = false;
    this.socket.close(1000);
    this.sound.close();
    this.seen("over", words, isBad);
  }
}

function keyOf(frame) {
  return String.fromCharCode(...frame);
}

function remember(map, key, value) {
  map.delete(key);
  map.set(key, value);
  if (map.size > MOST_ECHO) map.delete(map.keys().next().value);
}
