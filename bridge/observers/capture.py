"""Captures a call: writes every message of the carrier's socket, and of the assistant's if that is wanted, as a trace.

A capture stands between the legs and the session: it makes the callbacks and the legs that take note of each message.
It is an observer as well, which tells it what is sensitive, and what reaches the core beside the legs. Where nothing is
captured none of it is there. The file is made when the call is accepted; lines wait until then.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from msgspec import Raw, structs

from bridge.observers.call_file import is_accepted
from bridge.observers.trace import (
    ASSISTANT,
    BRIDGE,
    CARRIER,
    VERSION,
    HttpMessage,
    TraceHeader,
    TraceLine,
    as_message,
    encode,
)
from bridge.observers.trace_redaction import TraceRedaction
from bridge.vocabulary.commands import Command, OpenAssistant
from bridge.vocabulary.contracts import (
    Account,
    Connect,
    Connection,
    Leg,
    LegMessage,
    Lost,
    Post,
    PostDelayed,
    Posted,
    Receive,
    WireMessage,
)
from bridge.vocabulary.events import (
    AssistantReady,
    CallEnded,
    CallStarted,
    CloseRequested,
    GoodbyeRequested,
    LegLost,
    LegName,
    ToolAnswered,
    Word,
)

WRITE_EVERY_MS = 250
"""Lines that may be written wait for so long, so that a frame does not cost a write."""

MOST_WAITING_BYTES = 8_388_608
"""The most bytes of lines that wait for the acceptance of the call, or for the end of an entry: with more it is given up."""

_TOLD = (CallEnded, CloseRequested, GoodbyeRequested)


class CaptureRules(NamedTuple):
    """What is captured of a call."""

    has_assistant: bool
    """The assistant's side as well."""
    shows: bool
    """Telephone numbers and secrets are not masked."""
    version: str = ""
    """Of voicebridge, for the header."""


class TraceFile(Protocol):
    """Where a trace is written; `CallFile` is one."""

    def append(self, content: bytes) -> None:
        """Write at the end."""
        ...

    def close(self) -> None:
        """The trace is complete."""
        ...

    def give_up(self, why: str) -> None:
        """The trace ends here, before the call."""
        ...


class CapturedCall(NamedTuple):
    """What is known of a call before its messages."""

    carrier: str
    stream: str
    can: Iterable[type[Command]] = ()
    resume_s: float = 0.0


class Taps(NamedTuple):
    """The ends of one stream of the carrier's, as the session and the socket get them."""

    receive: Callable[[WireMessage], None]
    lost: Lost
    leg: Callable[[Leg[WireMessage]], Leg[WireMessage]]
    """Makes the leg that the session gets."""


class _Tapped:
    """A leg whose messages are noted before they are sent."""

    def __init__(
        self, leg: Leg[Any], sent: Callable[[Any], None], closed: Callable[[int, str], None]
    ) -> None:
        self._leg = leg
        self._sent = sent
        self._closed = closed

    @property
    def stalled(self) -> bool:
        return self._leg.stalled

    def send(self, message: Any) -> None:
        self._sent(message)
        self._leg.send(message)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._closed(code, reason)
        self._leg.close(code, reason)


class Capture:
    """The capture of one call, which begins now. `recorded`: the date and time. `open_file`: makes the file of a `call_id`.

    `kind_of`: the kind of an assistant, by its name. `clock`: the session's, in seconds.
    """

    sees: frozenset[type[Word]] = frozenset(
        {*TraceRedaction.sees, *_TOLD, LegLost, OpenAssistant, ToolAnswered}
    )

    def __init__(
        self,
        call: CapturedCall,
        recorded: str,
        rules: CaptureRules,
        open_file: Callable[[str], TraceFile],
        kind_of: Callable[[str], str],
        clock: Callable[[], float],
    ) -> None:
        self._call = call
        self._recorded = recorded
        self._rules = rules
        self._open_file = open_file
        self._kind_of = kind_of
        self._clock = clock
        self._began = clock()
        self._redaction = TraceRedaction(shows=rules.shows)
        self._start: CallStarted | None = None
        self._file: TraceFile | None = None
        self._waiting_bytes = 0
        self._write_at_ms = 0.0
        self._is_over = False
        self._in_message = 0  # of the carrier's that is being handled
        self._streams = self._assistants = 0

    # Taps

    def carrier(self, receive: Callable[[WireMessage], None], lost: Lost) -> Taps:
        """The next stream of the carrier's, tapped."""
        self._streams += 1
        name = CARRIER if self._streams == 1 else f"{CARRIER}-{self._streams}"

        def received(message: WireMessage) -> None:
            self._message(BRIDGE, name, message)
            with self._told_by_carrier():
                receive(message)

        def was_lost(code: int, reason: str) -> None:
            self._happened("lost", name, code, reason)
            with self._told_by_carrier():
                lost(code, reason)

        return Taps(
            received,
            was_lost,
            lambda leg: _Tapped(
                leg,
                lambda message: self._message(CARRIER, name, message),
                lambda code, reason: self._happened("closed", name, code, reason),
            ),
        )

    @contextmanager
    def _told_by_carrier(self) -> Iterator[None]:
        """What the core is told meanwhile comes from the carrier's leg."""
        self._in_message += 1
        try:
            yield
        finally:
            self._in_message -= 1

    def connect(self, connect: Connect) -> Connect:
        """What connects the call with assistants, tapped."""

        def tapped(command: OpenAssistant, receive: Receive, lost: Lost) -> Connection:
            self._assistants += 1
            name = f"{ASSISTANT}-{self._assistants}"
            kind = self._kind_of(command.assistant)
            self._add(
                TraceLine(self._now_ms(), what="opened", leg=name, assistant=command.assistant, kind=kind)
            )

            def received(message: LegMessage) -> None:
                if self._rules.has_assistant:
                    self._assistant_message(BRIDGE, name, message)
                receive(message)

            def was_lost(code: int, reason: str) -> None:
                self._happened("lost", name, code, reason)
                lost(code, reason)

            connection = connect(command, received, was_lost)
            leg = _Tapped(
                connection.leg,
                lambda message: self._assistant_message(ASSISTANT, name, message),
                lambda code, reason: self._happened("closed", name, code, reason),
            )
            return connection._replace(leg=leg) if self._rules.has_assistant else connection

        return tapped

    # Lines

    def _now_ms(self) -> float:
        return round((self._clock() - self._began) * 1000, 3)

    def _message(self, to: str, leg: str, message: WireMessage) -> None:
        self._add(TraceLine(self._now_ms(), to, leg=leg, **as_message(message)))

    def _assistant_message(self, to: str, leg: str, message: LegMessage | Post) -> None:
        match message:
            case str() | bytes():
                self._message(to, leg, message)
            case Post(body, headers):
                kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
                post = structs.replace(as_http(body, kind), headers=dict(headers))
                self._add(TraceLine(self._now_ms(), to, leg=leg, post=post))
            case Posted(status, content_type, body, retry_after_s):
                posted = structs.replace(
                    as_http(body, content_type),
                    status=status,
                    content_type=content_type,
                    retry_after_s=retry_after_s,
                )
                self._add(TraceLine(self._now_ms(), to, leg=leg, posted=posted))
            case PostDelayed(wait_s):
                self._add(TraceLine(self._now_ms(), to, leg=leg, delayed_s=wait_s))

    def _happened(self, what: str, leg: str, code: int, reason: str) -> None:
        self._add(TraceLine(self._now_ms(), what=what, leg=leg, code=code, reason=reason))

    def _add(self, line: TraceLine) -> None:
        if self._is_over:
            return
        self._redaction.add(line)
        self._waiting_bytes += len(bytes(line.message)) + len(line.text or "") + 100
        if line.at_ms >= self._write_at_ms:
            self._write_at_ms = line.at_ms + WRITE_EVERY_MS
            self._write(line.at_ms)

    def _write(self, now_ms: float) -> None:
        if self._file is not None:
            self._append(self._redaction.take(now_ms))
        if self._waiting_bytes > MOST_WAITING_BYTES:
            self._is_over = True
            if self._file is not None:
                self._file.give_up("too much of the call waits for the end of an entry")

    def _append(self, lines: list[TraceLine]) -> None:
        if self._file is not None and lines:
            content = b"".join(map(encode, lines))
            self._waiting_bytes = max(0, self._waiting_bytes - len(content))
            self._file.append(content)

    # The call

    def saw(self, word: Word, now: float) -> None:
        """Take note of what is sensitive, of the call's acceptance, and of what reaches the core beside the legs."""
        self._redaction.saw(word, round((now - self._began) * 1000, 3))
        if self._file is None and not self._is_over:
            if is_accepted(self._start, word):
                self._open(word if isinstance(word, OpenAssistant) else None)
            elif isinstance(word, CallStarted):
                self._start = word
        is_carriers = isinstance(word, LegLost) and word.leg is LegName.CARRIER
        if (is_carriers or isinstance(word, _TOLD)) and not self._in_message:
            self._told(word)
        elif isinstance(word, AssistantReady):
            leg = f"{ASSISTANT}-{self._assistants}"
            self._add(TraceLine(self._now_ms(), what="ready", leg=leg, hears=word.hears))
        elif isinstance(word, ToolAnswered) and self._rules.has_assistant:
            self._add(
                TraceLine(self._now_ms(), what="tool", tool_call_id=word.tool_call_id, output=word.output)
            )

    def _told(self, word: Word) -> None:
        """An event of the server's own, or of the carrier's beside its stream."""
        self._add(
            TraceLine(
                self._now_ms(),
                what="told",
                event=type(word).__name__,
                reason=getattr(word, "why", "") or getattr(word, "reason", ""),
                code=getattr(word, "code", 0),
                within_s=getattr(word, "within_s", 0.0),
            )
        )

    def _open(self, opened: OpenAssistant | None) -> None:
        start, call = self._start, self._call
        assert start is not None, "a call is accepted after its start"
        self._file = self._open_file(start.call_id)
        assistant = "" if opened is None else opened.assistant
        hide = self._redaction.masking.identifier
        header = TraceHeader(
            voicebridge_trace=VERSION,
            carrier=call.carrier,
            stream=call.stream,
            call_id=hide(start.call_id),
            assistant=hide(assistant),
            kind="" if opened is None else self._kind_of(assistant),
            line=start.line,
            plays=start.plays or start.line,
            has_assistant=self._rules.has_assistant,
            masked=not self._rules.shows,
            can=tuple(sorted(kind.__name__ for kind in call.can)),
            resume_s=call.resume_s,
            recorded=self._recorded,
            version=self._rules.version,
        )
        self._file.append(encode(header))

    def close(self, now: float, account: Account) -> None:
        """Write the lines that are left, and the last one."""
        if self._file is None or self._is_over:
            return
        self._add(TraceLine(self._now_ms(), what="ended"))
        self._append(self._redaction.rest())
        self._is_over = True
        self._file.close()


def as_http(body: bytes, content_type: str) -> HttpMessage:
    """The body of a post or of a response. `content_type`: as its header says it."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        fields = as_message(body.decode(errors="replace"))
        message = fields.get("message")
        return HttpMessage(json=message) if isinstance(message, Raw) else HttpMessage(text=fields["text"])
    if kind.startswith("text/") or not kind:
        return HttpMessage(text=body.decode(errors="replace"))
    return HttpMessage(base64=body)


def taps_of(capture: Capture | None, receive: Callable[[WireMessage], None], lost: Lost) -> Taps:
    """The ends of a stream of the carrier's: as they are, where nothing is captured."""
    return Taps(receive, lost, lambda leg: leg) if capture is None else capture.carrier(receive, lost)
