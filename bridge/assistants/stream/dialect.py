"""The dialect of the stream protocol on one connection: how it is opened, what is read and written, how it is closed.

Wire: docs/stream-assistants.md. The caller's audio goes out in binary messages, untouched. What is refused costs itself,
and the assistant is told why. No socket, no clock: `now` is seconds on the session's clock.
"""

from collections.abc import Sequence

from bridge.assistants.shared.turn_detection import may_suspect, turn_detector
from bridge.assistants.stream import wire
from bridge.assistants.stream.conversation import Conversation
from bridge.assistants.stream.formats import chosen
from bridge.assistants.stream.messages import VERSION, ErrorReport, Hello
from bridge.assistants.stream.settings import StreamSettings
from bridge.redaction import without_keys
from bridge.vocabulary.commands import AppendAudio, AssistantCommand, CloseAssistant, OpenAssistant
from bridge.vocabulary.contracts import Answer, Message, ToolSchema, Utterance, WireMessage
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import AssistantFailed, AssistantReady, AssistantReportedError, Ignored
from telecodecs.format import PCMU_8K

MOST_BYTES = 1_048_576
"""Of one message: 22 s of L16 at 24 kHz. It is converted in one go, 20 ms, in which other calls wait."""

LONGEST_COMPLAINT = 300
"""Letters of what an assistant has to report."""


class StreamDialect:
    """One connection's: it waits for hello, it talks, and it is over."""

    def __init__(self, settings: StreamSettings, tools: Sequence[ToolSchema] = ()) -> None:
        self._settings = settings
        self._tools = tools
        self._opening = OpenAssistant("", PCMU_8K)
        self._talk: Conversation | None = None  # since hello
        self._over = False
        self._failed = ""
        self._passes = False  # the caller's audio goes out as it is, and nobody listens in
        self._in_base64 = False
        self._noticed: list[Utterance] = []  # what could not be told when it was noticed: `due` tells it
        self._noticed_at = 0.0

    # From the core

    def encode(self, command: AssistantCommand, now: float) -> Sequence[WireMessage]:
        """The messages, none or more, that carry this command."""
        if type(command) is AppendAudio:
            return [command.audio] if self._passes else self._append(command.audio, now)
        match command:
            case OpenAssistant():
                self._opening = command
                return [wire.hello(command, self._tools)]
            case CloseAssistant(why):
                return self._close(why)
            case _ if self._talk is not None and not self._over:
                return self._carried(self._talk.carry(command, now), now)
            case _:
                return []

    def _append(self, audio: bytes, now: float) -> list[WireMessage]:
        if self._talk is None or self._over:
            return []
        message: WireMessage = wire.audio(audio) if self._in_base64 else audio
        overheard = self._talk.overhear(audio)
        return [message, *self._carried(overheard, now)] if overheard else [message]

    def _carried(self, told: list[Utterance], now: float) -> list[WireMessage]:
        """What is for the assistant; what is for the core waits for `due`."""
        self._notice([event for event in told if not isinstance(event, Answer)], now)
        return [answer.message for answer in told if isinstance(answer, Answer)]

    def _close(self, why: str) -> list[WireMessage]:
        if why and self._talk is None and not self._over:
            why += "; hello is missing"
        self._over, self._passes = True, False
        self._noticed.clear()
        return [wire.bye(why or self._failed or "the call is over")]

    # From the assistant

    def decode(self, message: Message, now: float) -> Sequence[Utterance]:
        """Read one message. Raises `MalformedMessage` if it is none, or makes no sense; the assistant is told, too."""
        assert isinstance(message, (str, bytes)), "a socket carries text or bytes"
        if self._over:
            return ()
        try:
            told = self._read(message, now)
        except MalformedMessage as error:
            self._notice([Answer(wire.error(str(error)))], now)
            raise
        return [*self._take_noticed(), *told] if self._noticed else told

    def _read(self, message: str | bytes, now: float) -> Sequence[Utterance]:
        if len(message) > MOST_BYTES:
            raise MalformedMessage(
                f"a message of {len(message)} bytes: expected at most {MOST_BYTES}, cut it into smaller ones"
            )
        if isinstance(message, bytes):
            if self._talk is None:
                raise MalformedMessage("audio before hello; hello should come first")
            return self._talk.audio(message, now)
        try:
            event = wire.read(message)
        except MalformedMessage as error:
            if self._talk is None and str(error).startswith("hello: "):
                return self._fail(str(error))
            raise
        match event:
            case wire.UnknownMessage(kind, why):
                return [Ignored(kind), Answer(wire.error(why))]
            case ErrorReport(why):  # not answered, or an assistant that sends all back would never end
                return [AssistantReportedError(without_keys(why)[:LONGEST_COMPLAINT])]
            case Hello() if self._talk is None:
                return self._greeted(event)
            case _ if self._talk is None:
                raise MalformedMessage("hello is missing; it should come before anything else")
            case _:
                return self._talk.read(event, now)

    def _greeted(self, hello: Hello) -> list[Utterance]:
        """The assistant has chosen; the conversation begins."""
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
        self._talk = Conversation(hello, speaks, turns, [tool.name for tool in self._tools])
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

    def _fail(self, why: str) -> list[Utterance]:
        """It would say the same again."""
        self._over, self._failed = True, why
        return [Answer(wire.error(why)), AssistantFailed(why, final=True)]

    # What waits

    def _notice(self, told: list[Utterance], now: float) -> None:
        self._noticed += told
        self._noticed_at = now

    def _take_noticed(self) -> list[Utterance]:
        noticed, self._noticed = self._noticed, []
        return noticed

    def deadline(self) -> float | None:
        """When `due` wants to be called, at the latest; asked after each command and each message."""
        if self._noticed:
            return self._noticed_at
        return self._talk.deadline() if self._talk is not None and not self._over else None

    def due(self, now: float) -> Sequence[Utterance]:
        """What has fallen due by `now`."""
        due = self._talk.due(now) if self._talk is not None and not self._over else ()
        return [*self._take_noticed(), *due]
