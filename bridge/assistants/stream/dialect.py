"""The dialect of the stream protocol on one connection: how it is opened, what is read and written, how it is closed.

Wire: docs/stream-assistants.md. The caller's audio goes out in binary messages, untouched. A malformed message is
dropped and answered with `error`. No socket, no clock: `now` is seconds on the session's clock.
"""

from collections.abc import Sequence

from bridge.assistants.shared.owed_reply import OwedReply
from bridge.assistants.shared.turn_detection import may_suspect, turn_detector
from bridge.assistants.stream import wire
from bridge.assistants.stream.conversation import StreamConversation
from bridge.assistants.stream.formats import chosen
from bridge.assistants.stream.messages import VERSION, ErrorReport, Hello
from bridge.assistants.stream.settings import StreamSettings
from bridge.redaction import without_keys
from bridge.vocabulary.commands import AppendAudio, AssistantCommand, CloseAssistant, OpenAssistant
from bridge.vocabulary.contracts import AssistantOutcome, LegMessage, ToolSchema, WireMessage
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    AssistantReportedError,
    Ignored,
    LegName,
    MessageRefused,
)
from telecodecs.format import PCMU_8K

MOST_BYTES = 1_048_576
"""Of one message: 22 s of L16 at 24 kHz. It is converted in one go, 20 ms, in which other calls wait."""

LONGEST_ERROR_REPORT = 300
"""Characters of the assistant's own error report that are kept."""


class StreamDialect:
    """The dialect of one connection, in three phases: before the assistant's hello, the conversation, and its end."""

    def __init__(self, settings: StreamSettings, tools: Sequence[ToolSchema] = ()) -> None:
        self._settings = settings
        self._tools = tools
        self._opening = OpenAssistant("", PCMU_8K)
        self._talk: StreamConversation | None = None  # since hello
        self._over = False
        self._failed = ""
        self._passes = False  # the caller's audio is sent as it is, and no turn detector of ours reads it
        self._in_base64 = False
        self._owed = OwedReply(settings.reply_s)

    # From the core

    def encode(self, command: AssistantCommand, now: float) -> Sequence[AssistantOutcome]:
        """Carry out one command; what our own turn detector hears in the caller's audio is returned with it."""
        if type(command) is AppendAudio:
            return (command.audio,) if self._passes else self._append(command.audio, now)
        match command:
            case OpenAssistant():
                self._opening = command
                return [wire.hello(command, self._tools)]
            case CloseAssistant(why):
                return self._close(why)
            case _ if self._talk is not None and not self._over:
                return self._talk.carry_out(command, now)
            case _:
                return ()

    def _append(self, audio: bytes, now: float) -> Sequence[AssistantOutcome]:
        if self._talk is None or self._over:
            return ()
        message: WireMessage = wire.audio(audio) if self._in_base64 else audio
        heard = self._talk.listen(audio, now)
        return [message, *heard] if heard else (message,)

    def _close(self, why: str) -> list[WireMessage]:
        if why and self._talk is None and not self._over:
            why += "; hello is missing"
        self._over, self._passes = True, False
        return [wire.bye(why or self._failed or "the call is over")]

    # From the assistant

    def decode(self, message: LegMessage, now: float) -> Sequence[AssistantOutcome]:
        """Read one message. Nothing is raised: a malformed one comes back as `MessageRefused` and our `error`."""
        if self._over:
            return ()
        try:
            return self._read(message, now)
        except MalformedMessage as error:
            why = str(error)
            return [MessageRefused(LegName.ASSISTANT, why), wire.error(why)]

    def _read(self, message: LegMessage, now: float) -> Sequence[AssistantOutcome]:
        if not isinstance(message, str | bytes):
            raise MalformedMessage("an HTTP response")
        if len(message) > MOST_BYTES:
            raise MalformedMessage(
                f"a message of {len(message)} bytes: expected at most {MOST_BYTES}, cut it into smaller ones"
            )
        if isinstance(message, bytes):
            if self._talk is None:
                raise MalformedMessage("audio before hello: expected hello first")
            return self._talk.audio(message, now)
        try:
            event = wire.read(message)
        except MalformedMessage as error:
            if self._talk is None and str(error).startswith("hello: "):
                return self._fail(str(error))
            raise
        match event:
            case wire.UnknownMessage(kind, why):
                return [Ignored(kind), wire.error(why)]
            case ErrorReport(why):  # not answered: an assistant that sends back all it gets would never end
                return [AssistantReportedError(without_keys(why)[:LONGEST_ERROR_REPORT])]
            case Hello() if self._talk is None:
                return self._greeted(event)
            case _ if self._talk is None:
                raise MalformedMessage("hello is missing: expected it before anything else")
            case _:
                return self._talk.read(event, now)

    def _greeted(self, hello: Hello) -> list[AssistantOutcome]:
        """The assistant has chosen formats: the conversation begins."""
        if hello.version != VERSION:
            return self._fail(f"hello: unknown version {hello.version}: expected {VERSION}")
        line, plays = self._opening.line, self._opening.plays
        try:
            hears = chosen("hears", hello.hears, line)
            speaks = chosen("speaks", hello.speaks, plays or line)
        except ValueError as error:
            return self._fail(f"hello: {error}")
        settings = self._settings
        turns = None
        if hello.turns == "bridge":
            turns = turn_detector(hears, settings.barge_in, settings.silence_ms)
        tools, running = [tool.name for tool in self._tools], wire.running_ids(self._opening.history)
        self._talk = StreamConversation(
            hello, speaks, turns, tools, running, self._owed, is_briefing=self._opening.briefing is not None
        )
        self._in_base64 = hello.audio == "base64"
        self._passes = turns is None and not self._in_base64
        return [
            AssistantReady(
                hears,
                speaks,
                keys_interrupt=hello.keys != "each",
                may_suspect=turns is not None and may_suspect(settings.barge_in),
            )
        ]

    def _fail(self, why: str) -> list[AssistantOutcome]:
        """Report that the assistant has failed, for good: a second try would fail in the same way."""
        self._over, self._failed = True, why
        return [wire.error(why), AssistantFailed(why, final=True)]

    # Time

    def deadline(self) -> float | None:
        """When `due` wants to be called, at the latest; asked after each command and each message."""
        return self._talk.deadline() if self._talk is not None and not self._over else None

    def due(self, now: float) -> Sequence[AssistantOutcome]:
        """What has fallen due by `now`."""
        return self._talk.due(now) if self._talk is not None and not self._over else ()

    def is_reply_owed(self, now: float) -> bool:
        """See `contracts.Assistant`."""
        return self._talk is None or self._owed.is_owed(now)
