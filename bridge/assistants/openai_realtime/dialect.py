"""The dialect of OpenAI Realtime in one session: how it is opened, what is read and written, when the server listens.

Wire: OpenAI, "Realtime API" over a WebSocket, GA; the names of the beta are read too. Audio is base64 in both
directions and passes untouched. The server gets no audio before it has confirmed the formats. Unless the greeting may
be interrupted, it gets none before the caller has heard the greeting either: the phone's echo of it would be a turn.
No socket, no clock: `now` is seconds on the session's clock.
"""

from binascii import b2a_base64
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from bridge.assistants.openai_realtime import wire
from bridge.assistants.openai_realtime.call_settings import call_settings
from bridge.assistants.openai_realtime.conversation import RealtimeConversation
from bridge.assistants.openai_realtime.dispatch import READS
from bridge.assistants.openai_realtime.earlier_items import is_tool_next
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
from bridge.assistants.openai_realtime.session import without_function
from bridge.assistants.openai_realtime.settings import RealtimeSettings
from bridge.assistants.shared import briefings
from bridge.assistants.shared.scripted_responses import Purpose, ScriptedResponses
from bridge.assistants.shared.turn_detection import may_suspect, turn_detector
from bridge.assistants.shared.wire_kind import UNREADABLE
from bridge.vocabulary.built_in_tools import HANG_UP
from bridge.vocabulary.commands import (
    AnswerTool,
    AppendAudio,
    AssistantCommand,
    CloseAssistant,
    ConfirmHeard,
    DropReply,
    EnterDigits,
    OpenAssistant,
    ReportTransfer,
    SayText,
    TellAssistant,
    TruncateReply,
    TypeDigit,
)
from bridge.vocabulary.contracts import AssistantOutcome, LegMessage, ToolSchema
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import (
    AssistantReady,
    EntryEnd,
    History,
    Ignored,
    Opening,
    SpeechDismissed,
    SpeechSuspected,
)
from bridge.vocabulary.people import Briefing
from telecodecs.format import PCMU_8K
from telecodecs.silence import closing_ms, silence
from telecodecs.turns import TurnDetector, TurnDismissed, TurnEnded, TurnStarted, TurnSuspected

SESSION_S = 3_600.0
"""Assumed length of a session where the server says when it expires, in its own time, but not when it began."""

GREETING_SLACK_S = 5.0
"""How much longer than its audio the greeting may take to be heard; after that the server gets audio all the same."""


class RealtimeDialect:
    """The dialect of one Realtime session; see `contracts.Assistant`."""

    def __init__(self, settings: RealtimeSettings, tools: Sequence[ToolSchema] = ()) -> None:
        self._settings = settings
        self._tools = tools
        numbers = count(1)
        self._new_id: Callable[[], str] = lambda: f"{wire.OURS}{next(numbers)}"
        self._scripted = ScriptedResponses(settings.instructions)
        self._talk = RealtimeConversation(settings, self._scripted, self._new_id)
        self._opening = OpenAssistant("", PCMU_8K)
        self._line = self._asked = Formats(PCMU_8K, PCMU_8K)
        self._session: dict[str, Any] = {}  # as it was asked for
        self._formats: Formats | None = None
        self._lasts_s: float | None = None
        self._input_muted = True  # the caller's audio is not passed on
        self._greeting_guard = False  # the server detects no turns until the caller has heard the greeting
        self._greeting_guard_until: float | None = None
        self._unguard_event_id = ""  # of our event that ends the guard
        self._turn_detector: TurnDetector | None = None  # ours, where the server has none
        self._turn_detector_from_ms = 0  # ms of audio that the server was sent before it
        self._due: float | None = None
        self._deadline_stale = False  # a frame of audio does not change the deadline

    def encode(self, command: AssistantCommand, now: float) -> Sequence[AssistantOutcome]:
        """Carry out one command, and ask for the response that is due by now, if one is."""
        if type(command) is not AppendAudio:
            return [*self._carry_out(command), *self._advance(now)]
        if self._input_muted:
            return ()
        base64 = b2a_base64(command.audio, newline=False).decode()
        message = f"{wire.APPEND_HEAD}{base64}{wire.APPEND_TAIL}"
        self._talk.clock.bytes += len(command.audio)
        if self._turn_detector is None:
            return (message,)
        heard = self._listen(command.audio)
        return [message, *heard, *self._advance(now)] if heard else (message,)

    def decode(self, message: LegMessage, now: float) -> Sequence[AssistantOutcome]:
        """Read one message. Raises `MalformedMessage` if it is no event, or a known kind in a wrong shape."""
        if not isinstance(message, str):
            raise MalformedMessage("a binary message")
        event: ServerEvent | wire.UnknownEvent
        try:
            event = wire.READ.decode(message)
        except UNREADABLE as error:
            event = wire.unknown(message, error)
        if isinstance(event, AudioDelta):
            return self._talk.audio(event, now)
        return [*self._read(event, now), *self._advance(now)]

    def deadline(self) -> float | None:
        """When `due` wants to be called, at the latest; asked after each command and each message."""
        if self._deadline_stale:
            is_idle = self._talk.over or self._formats is None  # then `due` does nothing
            due = () if is_idle else (self._talk.deadline(), self._greeting_guard_until)
            self._due = min([at for at in due if at is not None], default=None)
            self._deadline_stale = False
        return self._due

    def due(self, now: float) -> Sequence[AssistantOutcome]:
        """What has fallen due by `now`."""
        return self._advance(now)

    def is_reply_owed(self, now: float) -> bool:
        """See `contracts.Assistant`."""
        return self._formats is None or self._talk.is_reply_owed(now)

    # Commands

    def _carry_out(self, command: AssistantCommand) -> list[AssistantOutcome]:
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
                outcomes = self._talk.enter_digits(command)
                return outcomes + self._silence(command) if outcomes else []
            case AnswerTool(tool_call_id, output, is_late=True):
                return self._talk.earlier.answer(tool_call_id, output)
            case AnswerTool(tool_call_id, output) | ReportTransfer(tool_call_id, output=output):
                return self._talk.answer_call(tool_call_id, output)
            case SayText(text):
                return self._talk.say(text)
            case TellAssistant(text, responds):
                return self._talk.tell(text, responds=responds)
            case CloseAssistant():
                return self._talk.close()
            case AppendAudio() | TypeDigit():
                return []

    def _open(self, command: OpenAssistant) -> str:
        """Set the session at once: some servers do not say that they created one."""
        if command.briefing is not None:
            self._brief(command.briefing, command.history)
        else:
            self._settings, self._scripted.character = call_settings(self._settings, command.context)
        greeting = self._settings.greeting
        is_guarded = command.opening is Opening.FIRST and greeting is not None and not greeting.interruptible
        line = Formats(command.line, command.plays or command.line)
        session = self._settings.session(line, self._tools, listening=not is_guarded)
        self._opening, self._line, self._session = command, line, session
        self._talk.failures.open(command)
        self._asked = asked(session, line)
        self._greeting_guard = is_guarded
        return wire.session_update(session, self._new_id())

    def _brief(self, briefing: Briefing, history: History) -> None:
        """The session is one with a person: it has other instructions, and what was said is in them."""
        told = {"instructions": briefings.instructions(briefing, history), "greeting": None}
        self._settings = self._settings.model_copy(update=told)
        self._scripted = ScriptedResponses(self._settings.instructions)
        self._talk = RealtimeConversation(self._settings, self._scripted, self._new_id)
        self._talk.brief()

    def _silence(self, entry: EnterDigits) -> list[AssistantOutcome]:
        """Silence that makes the server end the turn, where the settings have an unrequested entry answered that way."""
        if self._settings.dtmf.respond != "silence" or entry.request_id or entry.reason is EntryEnd.HANGUP:
            return []
        if self._input_muted or self._formats is None:
            return []
        if self._talk.caller_speaks:  # silence would cut the turn in two; the caller's own pause ends it
            return []
        vad = self._settings.turn_detection
        waits_ms = 500 if vad.type == "semantic_vad" else vad.silence_duration_ms
        audio = silence(self._formats.hears, closing_ms(waits_ms))
        self._talk.clock.insert(len(audio))
        return [wire.append(audio), *self._listen(audio)]

    def _listen(self, audio: bytes) -> list[AssistantOutcome]:
        """Feed our own turn detector with the caller's audio; nothing comes of it without one."""
        outcomes: list[AssistantOutcome] = []
        for change in self._turn_detector.feed(audio) if self._turn_detector is not None else ():
            at_ms = self._turn_detector_from_ms + change.at_ms
            match change:
                case TurnSuspected():
                    outcomes.append(SpeechSuspected())
                case TurnDismissed():
                    outcomes.append(SpeechDismissed())
                case TurnStarted():
                    outcomes += self._talk.caller_spoke(at_ms, interrupts=True, server_cancels=False)
                case TurnEnded():
                    outcomes += self._talk.caller_paused(at_ms)
        return outcomes

    # The session

    def _read(self, event: ServerEvent | wire.UnknownEvent, now: float) -> list[AssistantOutcome]:
        match event:
            case SessionCreated(session):
                self._learn_expiry(session)
                return []
            case SessionUpdated(session):
                return [] if self._talk.over else self._updated(session, now)
            case Error() if self._formats is None:
                return self._talk.fail(describe(event.body), final=is_lasting(event.body))
            case Error() if self._unguard_event_id and event.body.event_id == self._unguard_event_id:
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

    def _updated(self, session: SessionBody, now: float) -> list[AssistantOutcome]:
        """The server says which settings it took; only now it is known what it hears and speaks."""
        self._learn_expiry(session)
        try:
            formats = confirmed(session, self._formats or self._asked)
        except ValueError as error:
            return self._talk.fail(
                f"it uses an audio format that the bridge cannot convert: {error}", final=True
            )
        is_first = self._formats is None
        if formats == self._formats:
            return []
        self._formats = formats
        self._talk.replies.open(formats.speaks)
        self._talk.clock.hears(formats.hears)
        vad = self._settings.turn_detection
        if vad.type == "none":
            self._turn_detector_from_ms = round(self._talk.clock.given_ms)
            self._turn_detector = turn_detector(
                formats.hears, self._settings.barge_in, vad.silence_duration_ms
            )
        ready = AssistantReady(
            *formats,
            self._lasts_s,
            keys_interrupt=self._settings.dtmf.respond == "create",
            may_suspect=vad.type == "none" and may_suspect(self._settings.barge_in),
        )
        return [*self._begin(now), ready] if is_first else [ready]

    def _begin(self, now: float) -> list[str]:
        """The history, as items; and ask for the first words, if there are any to say."""
        command, settings, gate = self._opening, self._settings, self._talk.gate
        self._input_muted = self._greeting_guard
        if command.opening is Opening.FIRST and settings.greeting is not None:
            offered = without_function(self._session, HANG_UP.name)
            gate.ask(scripted(self._scripted.greeting(settings.greeting), offered))
        if command.briefing is not None:
            gate.ask(scripted(self._scripted.briefing(briefings.BEGIN)))
            return []
        is_recovered = command.opening is Opening.RECOVERED
        if is_recovered and settings.reconnect_say is not None and not is_tool_next(command.history):
            gate.ask(scripted(self._scripted.recovery(settings.reconnect_say)))
        tools = [tool.name for tool in self._tools]
        replies = is_recovered or command.opening is Opening.RETURNED
        return self._talk.earlier.tell(command.history, tools, now, replies=replies)

    # Time

    def _advance(self, now: float) -> list[AssistantOutcome]:
        self._deadline_stale = True
        if self._talk.over or self._formats is None:
            return []
        outcomes = self._talk.advance(now)
        ends_guard = self._greeting_guard and not self._talk.over and self._greeting_is_over(now)
        return [*outcomes, *self._end_guard()] if ends_guard else outcomes

    def _greeting_is_over(self, now: float) -> bool:
        """Whether the greeting was heard to its end, was cut or failed; or should have been heard by now."""
        if self._talk.gate.concerns(Purpose.GREETING):
            return False
        left_ms = self._talk.replies.unheard_ms
        if left_ms and self._greeting_guard_until is None:
            self._greeting_guard_until = now + left_ms / 1000 + GREETING_SLACK_S
        return not left_ms or (self._greeting_guard_until is not None and now >= self._greeting_guard_until)

    def _end_guard(self) -> list[str]:
        self._greeting_guard = self._input_muted = False
        self._greeting_guard_until = None
        if self._turn_detector is not None:  # the server has no turn detection to switch on
            return []
        update = self._settings.listening_update(self._line)
        self._unguard_event_id = self._new_id()
        return [wire.session_update(update, self._unguard_event_id)]
