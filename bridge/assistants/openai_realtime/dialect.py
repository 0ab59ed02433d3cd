"""The dialect of OpenAI Realtime in one session: how it is opened, what is read and written, when it listens.

Wire: OpenAI, "Realtime API" over a WebSocket, GA; the names of the beta are understood. Audio is base64 in both
directions and passes untouched. The server hears nothing before it confirmed the formats, nor, unless the greeting
may be interrupted, before the caller has heard the greeting: the phone's echo of it would be a turn.
No socket, no clock: `now` is seconds on the session's clock.
"""

from collections.abc import Callable, Sequence
from itertools import count

from bridge.assistants.openai_realtime import wire
from bridge.assistants.openai_realtime.conversation import Conversation
from bridge.assistants.openai_realtime.dispatch import READS
from bridge.assistants.openai_realtime.error_reports import describe, is_lasting
from bridge.assistants.openai_realtime.formats import Formats, asked, confirmed
from bridge.assistants.openai_realtime.gate import scripted
from bridge.assistants.openai_realtime.server_events import (
    AudioDelta,
    Error,
    ServerEvent,
    SessionBody,
    SessionCreated,
    SessionUpdated,
)
from bridge.assistants.openai_realtime.settings import RealtimeSettings
from bridge.assistants.shared.scripted_responses import Purpose, ScriptedResponses
from bridge.assistants.shared.turn_detection import may_suspect, turn_detector
from bridge.vocabulary.commands import (
    AnswerTool,
    AppendAudio,
    AssistantCommand,
    CloseAssistant,
    ConfirmHeard,
    DropReply,
    EnterDigits,
    OpenAssistant,
    TruncateReply,
    TypeDigit,
)
from bridge.vocabulary.contracts import Answer, Message, ToolSchema, Utterance
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import (
    AssistantEvent,
    AssistantReady,
    EntryEnd,
    Ignored,
    Opening,
    SpeechDismissed,
    SpeechSuspected,
)
from telecodecs.format import PCMU_8K
from telecodecs.silence import closing_ms, silence
from telecodecs.turns import TurnDetector, TurnDismissed, TurnEnded, TurnStarted, TurnSuspected

SESSION_S = 3_600.0
"""How long a session lasts that tells when it expires, in the server's time, but not when it began."""

GREETING_SLACK_S = 5.0
"""How much longer than its sound the greeting may take to be heard; then the server listens all the same."""


class RealtimeDialect:
    """One session's."""

    def __init__(self, settings: RealtimeSettings, tools: Sequence[ToolSchema] = ()) -> None:
        self._settings = settings
        self._tools = tools
        numbers = count(1)
        self._new_id: Callable[[], str] = lambda: f"{wire.OURS}{next(numbers)}"
        self._scripted = ScriptedResponses(settings.instructions)
        self._talk = Conversation(settings, self._scripted, self._new_id)
        self._opening = OpenAssistant("", PCMU_8K)
        self._line = self._asked = Formats(PCMU_8K, PCMU_8K)
        self._formats: Formats | None = None
        self._lasts_s: float | None = None
        self._deaf = True  # what the caller says is not passed on
        self._guarded = False  # the server does not listen for turns until the greeting was heard
        self._guarded_until: float | None = None
        self._lifting = ""  # our event that has it listen
        self._listener: TurnDetector | None = None
        self._ears_from_ms = 0  # what the server was given before
        self._noticed: list[AssistantEvent] = []  # while a command was carried out: `due` tells them
        self._noticed_at = 0.0
        self._due: float | None = None
        self._due_is_old = False  # a frame changes nothing of it that could not wait

    def encode(self, command: AssistantCommand, now: float) -> list[Message]:
        """The messages, none or more, that carry this command."""
        if type(command) is not AppendAudio:
            return self._carried(self._carry(command), now)
        if self._deaf:
            return []
        message = wire.append(command.audio)
        self._talk.clock.append(len(command.audio))
        if self._listener is None:
            return [message]
        noticed = self._overhear(command.audio)
        return [message, *self._carried(noticed, now)] if noticed else [message]

    def decode(self, message: Message, now: float) -> Sequence[Utterance]:
        """Read one message. Raises `MalformedMessage` if it is no event, or a kind that we know in a wrong shape."""
        if not isinstance(message, str):
            raise MalformedMessage("a binary message")
        event = wire.read(message)
        if isinstance(event, AudioDelta):
            said = self._talk.audio(event, now)
            return [*self._take_noticed(), *said] if self._noticed else said
        noticed = self._take_noticed()
        return [*noticed, *self._read(event, now), *self._advance(now)]

    def deadline(self) -> float | None:
        """When `due` wants to be called, at the latest; asked after each command and each message."""
        if self._noticed:
            return self._noticed_at
        if self._due_is_old:
            due = () if self._talk.over else (self._talk.deadline(), self._guarded_until)
            self._due = min([at for at in due if at is not None], default=None)
            self._due_is_old = False
        return self._due

    def due(self, now: float) -> Sequence[Utterance]:
        """What has fallen due by `now`."""
        return [*self._take_noticed(), *self._advance(now)]

    def _carried(self, told: Sequence[Utterance], now: float) -> list[Message]:
        """What is for the server; what is for the core waits for `due`."""
        told = [*told, *self._advance(now)]
        self._noticed += [event for event in told if not isinstance(event, Answer)]
        self._noticed_at = now
        return [answer.message for answer in told if isinstance(answer, Answer)]

    def _take_noticed(self) -> list[AssistantEvent]:
        noticed, self._noticed = self._noticed, []
        return noticed

    # Commands

    def _carry(self, command: AssistantCommand) -> list[Utterance]:
        match command:
            case OpenAssistant():
                return [self._open(command)]
            case ConfirmHeard(item):
                return self._talk.heard(item, None)
            case TruncateReply(item, heard_ms):
                return self._talk.heard(item, heard_ms)
            case DropReply(item):
                return self._talk.heard(item, 0)
            case EnterDigits():
                told = self._talk.enter_digits(command)
                return told + self._silence(command) if told else []
            case AnswerTool(call, output):
                return self._talk.answer_call(call, output)
            case CloseAssistant():
                return self._talk.close()
            case AppendAudio() | TypeDigit():
                return []

    def _open(self, command: OpenAssistant) -> Answer:
        """Set the session at once: some servers do not say that they created one."""
        greeting = self._settings.greeting
        is_guarded = command.opening is Opening.FIRST and greeting is not None and not greeting.interruptible
        line = Formats(command.line, command.plays or command.line)
        session = self._settings.session(line, self._tools, listening=not is_guarded)
        self._opening, self._line = command, line
        self._asked = asked(session, line)
        self._guarded = is_guarded
        return Answer(wire.session_update(session, self._new_id()))

    def _silence(self, entry: EnterDigits) -> list[Utterance]:
        """Enough of it to end a turn, where an entry that nobody asked for is to be told so."""
        if self._settings.dtmf.respond != "silence" or entry.request_id or entry.reason is EntryEnd.HANGUP:
            return []
        if self._deaf or self._formats is None:
            return []
        if self._talk.caller_speaks:  # it would cut the turn in two; the caller's own pause ends it
            return []
        vad = self._settings.turn_detection
        waits_ms = 500 if vad.type == "semantic_vad" else vad.silence_duration_ms
        audio = silence(self._formats.hears, closing_ms(waits_ms))
        self._talk.clock.insert(len(audio))
        return [Answer(wire.append(audio)), *self._overhear(audio)]

    def _overhear(self, audio: bytes) -> list[Utterance]:
        """What our own turn detection makes of the caller's audio."""
        told: list[Utterance] = []
        for change in self._listener.feed(audio) if self._listener is not None else ():
            at_ms = self._ears_from_ms + change.at_ms
            match change:
                case TurnSuspected():
                    told.append(SpeechSuspected())
                case TurnDismissed():
                    told.append(SpeechDismissed())
                case TurnStarted():
                    told += self._talk.caller_spoke(at_ms, interrupts=True, server_cancels=False)
                case TurnEnded():
                    told += self._talk.caller_paused(at_ms)
        return told

    # The session

    def _read(self, event: ServerEvent | wire.UnknownEvent, now: float) -> list[Utterance]:
        match event:
            case SessionCreated(session):
                self._learn_expiry(session)
                return []
            case SessionUpdated(session):
                return [] if self._talk.over else self._updated(session)
            case Error() if self._formats is None:
                return self._talk.fail(describe(event.body), final=is_lasting(event.body))
            case Error() if self._lifting and event.body.event_id == self._lifting:
                return self._talk.fail(f"it does not listen: {describe(event.body)}")
            case wire.UnknownEvent(kind):
                return [] if kind in wire.UNNEEDED else [Ignored(kind)]
            case _:
                return READS[type(event)](self._talk, event, now)

    def _learn_expiry(self, session: SessionBody) -> None:
        if not isinstance(session.expires_at, (int, float)):
            return
        if isinstance(session.created_at, (int, float)) and session.created_at < session.expires_at:
            self._lasts_s = float(session.expires_at - session.created_at)
        elif self._lasts_s is None:
            self._lasts_s = SESSION_S

    def _updated(self, session: SessionBody) -> list[Utterance]:
        """The server says how it took our settings; only now it is known what it hears and speaks."""
        self._learn_expiry(session)
        try:
            formats = confirmed(session, self._formats or self._asked)
        except ValueError as error:
            return self._talk.fail(f"it uses a format that the bridge cannot: {error}", final=True)
        is_first = self._formats is None
        if formats == self._formats:
            return []
        self._formats = formats
        self._talk.replies.open(formats.speaks)
        self._talk.clock.hears(formats.hears)
        vad = self._settings.turn_detection
        if vad.type == "none":
            self._ears_from_ms = round(self._talk.clock.given_ms)
            self._listener = turn_detector(formats.hears, self._settings.barge_in, vad.silence_duration_ms)
        ready = AssistantReady(
            *formats,
            self._lasts_s,
            keys_interrupt=self._settings.dtmf.respond == "create",
            may_suspect=vad.type == "none" and may_suspect(self._settings.barge_in),
        )
        return [*self._begin(), ready] if is_first else [ready]

    def _begin(self) -> list[Answer]:
        """What was said before, as items; then the first words, if there are any to say."""
        command, settings, gate = self._opening, self._settings, self._talk.gate
        self._deaf = self._guarded
        if command.opening is Opening.FIRST and settings.greeting is not None:
            gate.ask(scripted(self._scripted.greeting(settings.greeting)))
        if command.opening is Opening.RECOVERED and settings.reconnect_say is not None:
            gate.ask(scripted(self._scripted.recovery(settings.reconnect_say)))
        return [Answer(wire.create_said(said, self._new_id())) for said in command.history if said.text]

    # Time

    def _advance(self, now: float) -> list[Utterance]:
        self._due_is_old = True
        if self._talk.over or self._formats is None:
            return []
        told = self._talk.advance(now)
        lifts = self._guarded and not self._talk.over and self._greeting_is_over(now)
        return [*told, *self._lift_guard()] if lifts else told

    def _greeting_is_over(self, now: float) -> bool:
        """Whether all of the greeting was heard, or cut, or failed; or should have been heard by now."""
        if self._talk.gate.concerns(Purpose.GREETING):
            return False
        left_ms = self._talk.replies.unheard_ms
        if left_ms and self._guarded_until is None:
            self._guarded_until = now + left_ms / 1000 + GREETING_SLACK_S
        return not left_ms or (self._guarded_until is not None and now >= self._guarded_until)

    def _lift_guard(self) -> list[Answer]:
        self._guarded = self._deaf = False
        self._guarded_until = None
        if self._listener is not None:  # turns are our own affair
            return []
        update = self._settings.listening_update(self._line)
        self._lifting = self._new_id()
        return [Answer(wire.session_update(update, self._lifting))]
