"""The spans of turns and of the replies in them. What a turn was like is known later than the next one begins: it is sent then."""

from collections.abc import Callable, Mapping

from bridge.observers.tracing import names
from bridge.observers.tracing.names import OURS
from bridge.observers.tracing.span import Span, Value
from bridge.vocabulary.contracts import Turn

MOST_OPEN = 100
"""Turns of which it is not known yet when they were heard; with more, the oldest is sent as it is."""

MOST_ITEMS = 8
"""Items whose words are kept until their audio begins."""

MOST_TEXT = 4_096
"""Characters of what was said in one turn, or in one reply."""

Emit = Callable[[Span], None]
"""Sends a span that is complete."""


class TurnSpans:
    """Those of one call. `root`: the span of the call. `shown`: masks a text that somebody else wrote."""

    def __init__(
        self, root: Span, new_id: Callable[[], int], emit: Emit, shown: Callable[[str, int], str]
    ) -> None:
        self._root = root
        self._new_id = new_id
        self._emit = emit
        self._shown = shown
        self._open: dict[int, Span] = {}  # by the number of the turn
        self._measured: set[int] = set()  # of them, those of which all is known
        self._number = 0
        self._began_at: float | None = None
        self._asked_at: float | None = None  # the assistant was last given something to reply to
        self._reply: Span | None = None
        self._item = ""
        self._tokens: dict[str, int] = {}  # of the reply
        self._words: dict[str, str] = {}  # by item
        self._heard = ""  # what the caller said in this turn

    @property
    def current(self) -> Span:
        """The span of the turn; that of the call before the first one."""
        return self._open.get(self._number, self._root)

    # Turns

    def began(self, number: int, since: float | None, now: float, about: Mapping[str, Value]) -> None:
        """See `TurnWatcher`. `about`: who is to reply."""
        self._end_reply()
        if self._number in self._measured:
            self._send(self._number)
        self._number, self._began_at, self._asked_at, self._heard = number, now, now, ""
        start = now if since is None else since
        self._open[number] = Span(
            "turn",
            self._new_id(),
            self._root.span_id,
            start,
            now,
            attributes={f"{OURS}turn.number": number, **about},
        )
        if len(self._open) > MOST_OPEN:
            self._send(next(iter(self._open)))

    def over(self, number: int, turn: Turn, now: float) -> None:
        """See `TurnWatcher`."""
        span = self._open.get(number)
        if span is None:
            return
        self._measured.add(number)
        if turn.pause_ms is not None:
            waited_ms = turn.pause_ms
            parts = (("reply_ms", turn.reply_ms), ("sent_ms", turn.send_ms), ("heard_ms", turn.play_ms))
            for name, part_ms in parts:
                if part_ms is None:
                    break
                waited_ms += part_ms
                span.attributes[f"{OURS}turn.{name}"] = waited_ms
        if turn.play_ms is not None:
            span.reach(now)
        if number != self._number:
            self._send(number)

    def entered(self, reason: str, now: float) -> None:
        """An entry on the keypad is complete: it is what the turn is, if one began with it."""
        if self._began_at == now:
            self.current.attributes[f"{OURS}turn.entry"] = reason

    def interrupted(self, heard_ms: int | None, now: float) -> None:
        """The reply is cut. `heard_ms`: how much of it the caller heard; None: that is told later, if at all."""
        span = self.current
        span.attributes[f"{OURS}turn.interrupted"] = True
        if heard_ms is not None:
            key = f"{OURS}turn.heard_of_ms"
            before = span.attributes.get(key, 0)
            span.attributes[key] = max(heard_ms, before if isinstance(before, int) else 0)
        self.reach(now)

    def reach(self, now: float) -> None:
        """The turn goes on."""
        self.current.reach(now)

    def asked(self, now: float) -> None:
        """The assistant was given something to reply to."""
        self._asked_at = now

    # Replies

    def reply_began(self, item: str, now: float, about: Mapping[str, Value]) -> None:
        """See `TurnWatcher`. `about`: who replies."""
        self._end_reply()
        start, self._asked_at = now if self._asked_at is None else self._asked_at, None
        model = about.get(names.MODEL)
        name = names.GENERATES if model is None else f"{names.GENERATES} {model}"
        attributes = {names.OPERATION: names.GENERATES, names.RESPONSE: self._shown(item, 100), **about}
        span = Span(name, self._new_id(), self.current.span_id, start, now, "client", attributes)
        span.note("first_audio", now)
        self._reply, self._item = span, item
        self.reach(now)

    def reply_ended(self, item: str, now: float) -> None:
        """No more audio of this item comes."""
        if self._reply is not None and item == self._item:
            self._reply.reach(now)
            self.reach(now)

    def use(self, tokens: Mapping[str, int]) -> None:
        """What the reply is billed."""
        for kind, count in tokens.items():
            self._tokens[kind] = self._tokens.get(kind, 0) + count

    def said(self, item: str, text: str) -> None:
        """Words of a reply."""
        self._words[item] = (self._words.get(item, "") + text)[:MOST_TEXT]
        if len(self._words) > MOST_ITEMS:
            del self._words[next(iter(self._words))]

    def caller_said(self, text: str) -> None:
        """Words of the caller, who may have said them in the turn before."""
        self._heard = f"{self._heard} {text}".strip()[:MOST_TEXT]
        shown = names.message("user", self._shown(self._heard, MOST_TEXT))
        self.current.attributes[names.INPUT_MESSAGES] = shown

    def _end_reply(self) -> None:
        if (reply := self._reply) is None:
            return
        reply.attributes |= names.usage(self._tokens)
        if words := self._words.pop(self._item, ""):
            reply.attributes[names.OUTPUT_MESSAGES] = names.message(
                "assistant", self._shown(words, MOST_TEXT)
            )
        self._reply, self._tokens = None, {}
        self._emit(reply)

    # The end

    def _send(self, number: int) -> None:
        self._measured.discard(number)
        self._emit(self._open.pop(number))

    def close(self) -> None:
        """The call is over."""
        self._end_reply()
        for number in list(self._open):
            self._send(number)
