// What is asked of the server: requests, and the feed of events.

const SILENT_MS = 20_000; // the server sends a comment every 15 s
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 8_000;

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

export function callPath(id, rest = "") {
  return `calls/${encodeURIComponent(id)}${rest}`;
}

// Raises `Refused` with the server's words.
export async function ask(path, method = "GET", body = undefined) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Refused(0, "The server does not answer.");
  }
  const text = await answer.text();
  let told = null;
  try {
    told = text ? JSON.parse(text) : null;
  } catch {
    told = null;
  }
  if (answer.ok) return told;
  throw new Refused(answer.status, told?.detail ?? told?.title ?? `The server answered ${answer.status}.`);
}

// Server-sent events (HTML standard, 9.2.6) from a stream of texts: comments count as signs of life.
export class EventReader {
  constructor(take) {
    this.take = take;
    this.rest = "";
    this.name = "";
    this.data = [];
  }

  feed(text) {
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop();
    for (const line of lines) this.line(line);
  }

  line(line) {
    if (line === "") {
      if (this.data.length) this.take(this.name || "message", this.data.join("\n"));
      this.name = "";
      this.data = [];
      return;
    }
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (name === "event") this.name = value;
    else if (name === "data") this.data.push(value);
  }
}

// A feed that is opened again whenever it breaks. `take(name, message)`; `tell(state)`: "open", "lost", "refused", "gone".
export class Feed {
  constructor(path, take, tell) {
    this.path = path;
    this.take = take;
    this.tell = tell;
    this.retryMs = FIRST_RETRY_MS;
    this.isClosed = false;
    this.onOnline = () => this.reconnect();
    this.onOffline = () => this.lost();
    this.onVisible = () => {
      if (!document.hidden && performance.now() - this.heardAt > SILENT_MS) this.reconnect();
    };
    addEventListener("online", this.onOnline);
    addEventListener("offline", this.onOffline);
    document.addEventListener("visibilitychange", this.onVisible);
    this.watch = setInterval(() => {
      if (this.reading && performance.now() - this.heardAt > SILENT_MS) this.lost();
    }, 1_000);
    this.open();
  }

  close() {
    this.isClosed = true;
    clearInterval(this.watch);
    clearTimeout(this.timer);
    removeEventListener("online", this.onOnline);
    removeEventListener("offline", this.onOffline);
    document.removeEventListener("visibilitychange", this.onVisible);
    this.reading?.abort();
  }

  reconnect() {
    if (this.isClosed) return;
    this.retryMs = FIRST_RETRY_MS;
    this.lost(0);
  }

  // Break off what is open, and try again later.
  lost(afterMs = this.retryMs) {
    if (this.isClosed) return;
    this.reading?.abort();
    this.reading = null;
    this.tell("lost");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), afterMs);
    this.retryMs = Math.min(LONGEST_RETRY_MS, this.retryMs * 2);
  }

  async open() {
    const reading = (this.reading = new AbortController());
    this.heardAt = performance.now();
    try {
      const answer = await fetch(this.path, { headers: { Accept: "text/event-stream" }, signal: reading.signal, cache: "no-store" });
      if (!answer.ok) {
        if (answer.status === 401 || answer.status === 403) return this.stop("refused");
        if (answer.status === 404) return this.stop("gone");
        throw new Refused(answer.status, "");
      }
      this.retryMs = FIRST_RETRY_MS;
      this.tell("open");
      const reader = new EventReader((name, data) => this.take(name, JSON.parse(data)));
      const texts = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await texts.read();
        if (done || reading.signal.aborted) break;
        this.heardAt = performance.now();
        reader.feed(value);
      }
    } catch (fault) {
      if (fault instanceof SyntaxError || fault instanceof TypeError) console.warn(fault.message);
    }
    if (this.reading === reading) this.lost();
  }

  stop(state) {
    this.close();
    this.tell(state);
  }
}
