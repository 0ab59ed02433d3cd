/**
 * What the server tells of the call while it goes on: GET calls/ID/events. It is what the phone itself cannot know: the words,
 * and how much of an interrupted reply the assistant was told you heard.
 */

/** Follow a call. Returns how to stop. The feed's clock is brought to that of the timeline by its promptest line. */
export function follow(call, lost) {
  const source = new EventSource(`calls/${encodeURIComponent(call.placed.call_id)}/events`);
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

  on("word", (word) => {
    const at = timeOf(word.at_ms);
    if (word.what === "TruncateReply") call.timeline.told(at, Math.round(word.heard_ms));
  });
  on("text", ({ speaker, text }) => call.timeline.say(call.now, speaker === "caller" ? "you" : "assistant", text, true));
  on("call", (view) => {
    call.serverWaitMs = view.last_wait_ms ?? null;
  });
  source.onerror = () => source.readyState === EventSource.CLOSED && !call.isOver && lost();
  return () => source.close();
}
