/**
 * What the server tells of the call while it goes on: GET calls/ID/events. It is what the phone itself cannot know: the words,
 * and how much of an interrupted reply the assistant was told you heard.
 */

const RETRY_MS = 300;
const TRIES = 5;

/**
 * Follow a call, which the server shows once its stream has started. Returns how to stop. `lost` is called if there is no feed.
 * The feed's clock is brought to that of the timeline by its promptest line.
 */
export function follow(call, lost) {
  const url = `calls/${encodeURIComponent(call.placed.call_id)}/events`;
  let source = null;
  let timer = null;
  let tries = TRIES;
  let offset = Infinity;

  function timeOf(atMs) {
    if (!Number.isFinite(atMs)) return call.now;
    offset = Math.min(offset, call.now - atMs / 1000);
    return Math.min(call.now, atMs / 1000 + offset);
  }

  function on(name, take) {
    source.addEventListener(name, ({ data }) => {
      if (!call.isOver) take(JSON.parse(data));
    });
  }

  function open() {
    source = new EventSource(url);
    on("word", (word) => {
      if (word.what === "TruncateReply") call.timeline.told(timeOf(word.at_ms), Math.round(word.heard_ms));
    });
    on("text", ({ speaker, text }) => call.timeline.say(call.now, speaker === "caller" ? "you" : "assistant", text, speaker !== "caller"));
    source.onopen = () => {
      tries = TRIES;
    };
    source.onerror = failed;
  }

  function failed() {
    if (call.isOver || source.readyState !== EventSource.CLOSED) return; // else the browser asks again by itself
    tries -= 1;
    if (tries > 0) timer = setTimeout(open, RETRY_MS);
    else lost();
  }

  timer = setTimeout(open, RETRY_MS);
  return () => {
    clearTimeout(timer);
    source?.close();
  };
}
