"""The dialect of an assistant that takes turns: the caller speaks, then the assistant, each to the end.

While it is the assistant's turn it gets nothing of the caller's voice, unless `barge_in` lets the caller take the turn
back. `Turns` decides whose turn it is; `Frames` (WebSocket) and `Posts` (HTTP) say how it travels. The protocol of these
assistants has no message for the keypad: an entry calls the tool `on_entry`, or is a frame if the assistant knows one; over
HTTP it is a post. No socket, no clock: `now` is seconds on the session's clock.
"""

from collections.abc import Sequence

from msgspec import json

from bridge.assistants.shared.turn_detection import may_suspect
from bridge.assistants.turn_based.frames import Frames
from bridge.assistants.turn_based.modes import Mode
from bridge.assistants.turn_based.posts import Posts
from bridge.assistants.turn_based.settings import ON_ENTRY, TurnBasedSettings
from bridge.assistants.turn_based.transport import Transport, Unknown, Unusable, UtteranceEnded, WholeReply
from bridge.assistants.turn_based.turns import Turns
from bridge.settings.assistants import UPGRADED
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
from bridge.vocabulary.contracts import AssistantOutcome, LegMessage, PostDelayed, ToolSchema
from bridge.vocabulary.events import (
    AssistantReady,
    AssistantReportedError,
    Ignored,
    LegName,
    MessageRefused,
    ReplyDelayed,
    ToolCalled,
)

MOST_AWAITED = 8
"""Posts without a response, at a time; further entries are dropped. The caller has to hear a reply to each."""


class TurnBasedDialect:
    """The dialect of one conversation; see `contracts.Assistant`."""

    def __init__(self, settings: TurnBasedSettings, tools: Sequence[ToolSchema] = ()) -> None:
        self._settings = settings
        self._on_entry = next((tool for tool in tools if tool.name == ON_ENTRY), None)
        self._entries = 0
        self._transport: Transport = Posts(settings) if settings.is_posted else Frames(settings)
        self._turns = Turns(settings, self._transport)
        self._passes_on = (
            not settings.ends_locally and settings.barge_in is None
        )  # audio, with no turn detector of ours
        self._reported_unknown = False  # once is enough
        self._due: float | None = None

    def encode(self, command: AssistantCommand, now: float) -> Sequence[AssistantOutcome]:
        """Carry out one command; what our own turn detectors hear in the caller's audio is returned with it."""
        turns = self._turns
        if type(command) is AppendAudio:
            if self._passes_on:
                return self._transport.say(command.audio) if turns.mode is Mode.SENDING else ()
            turns.hear(command.audio, now)
            if not turns.outcomes:
                return ()
        elif turns.mode is not Mode.CLOSED:
            self._carry_out(command, now)
        return self._take_outcomes()

    def decode(self, message: LegMessage, now: float) -> Sequence[AssistantOutcome]:
        """Read one message. Nothing is raised: with half a reply comes `MessageRefused`, then what follows from it."""
        turns = self._turns
        if turns.mode is Mode.CLOSED:
            return ()
        if turns.mode is Mode.CONNECTING:
            self._begin(now, asked=False)
        if message == UPGRADED:
            return self._take_outcomes()
        if isinstance(message, PostDelayed):
            return [ReplyDelayed(message.wait_s)] if turns.awaited else ()
        match self._transport.read(message):
            case UtteranceEnded():
                if turns.mode is Mode.SENDING and self._settings.ends_remotely:
                    turns.end_utterance(now)
            case WholeReply() as reply:
                turns.take(reply, now)
            case Unusable(why, malformed, retry_after_s):
                if malformed:
                    turns.outcomes.append(MessageRefused(LegName.ASSISTANT, why))
                turns.fail(why, now, is_reported=malformed, retry_after_s=retry_after_s)
            case Unknown(kind, why):
                turns.outcomes.append(Ignored(kind))
                if not self._reported_unknown:
                    self._reported_unknown = True
                    turns.outcomes.append(AssistantReportedError(f"it sent {why}"))
        return self._take_outcomes()

    def deadline(self) -> float | None:
        """When `due` wants to be called, at the latest; asked after each command and each message."""
        return self._due

    def due(self, now: float) -> Sequence[AssistantOutcome]:
        """What has fallen due by `now`."""
        self._turns.fall_due(now)
        return self._take_outcomes()

    def is_reply_owed(self, now: float) -> bool:
        """See `contracts.Assistant`."""
        return self._turns.mode is Mode.CONNECTING or self._turns.is_reply_owed(now)

    def _take_outcomes(self) -> list[AssistantOutcome]:
        turns = self._turns
        outcomes, turns.outcomes = turns.outcomes, []
        self._due = turns.deadline()
        return outcomes

    # Commands

    def _carry_out(self, command: AssistantCommand, now: float) -> None:
        turns = self._turns
        match command:
            case OpenAssistant():
                self._open(command, now)
            case ConfirmHeard(item):
                turns.heard(item, now)
            case TruncateReply(item) | DropReply(item):
                turns.cut(item, now)
            case EnterDigits():
                self._enter(command, now)
            case CloseAssistant():
                turns.close()
            case ReportTransfer():
                self._report(command, now)
            case TellAssistant():
                self._tell(command, now)
            case AppendAudio() | TypeDigit() | AnswerTool() | SayText():
                pass

    def _open(self, command: OpenAssistant, now: float) -> None:
        """Begin at once over HTTP. Over a WebSocket the conversation begins when the connection is open."""
        greeting = self._transport.open(command)
        self._turns.outcomes += greeting
        if self._settings.is_posted:
            self._begin(now, asked=bool(greeting))

    def _begin(self, now: float, *, asked: bool) -> None:
        """The conversation begins. `asked`: the assistant was asked for a greeting."""
        transport, turns, barge_in = self._transport, self._turns, self._settings.barge_in
        ready = AssistantReady(
            transport.hears,
            transport.speaks,
            keys_interrupt=transport.entries_are_turns,
            may_suspect=may_suspect(barge_in),
        )
        turns.outcomes.append(ready)
        if asked:
            turns.awaited = 1
            turns.wait()
        else:
            turns.begin(now)

    def _enter(self, entry: EnterDigits, now: float) -> None:
        turns = self._turns
        if self._on_entry is not None:
            turns.outcomes.append(self._entry_call(entry, self._on_entry))
        if not self._transport.entries_are_turns:
            turns.outcomes += self._transport.enter(entry)
        elif turns.awaited >= MOST_AWAITED:
            turns.report_error(f"an entry was dropped: {MOST_AWAITED} posts have no answer yet")
        else:
            turns.interject(now)
            turns.outcomes += self._transport.enter(entry)
            turns.awaited += 1

    def _report(self, report: ReportTransfer, now: float) -> None:
        """The caller is back, or was never away: over HTTP the assistant is asked what to say to it."""
        turns, posts = self._turns, self._transport.report(report)
        if posts:
            turns.interject(now)
            turns.outcomes += posts
            turns.awaited += 1

    def _tell(self, told: TellAssistant, now: float) -> None:
        """An operator's words. The response to them is a reply, if one is wanted."""
        turns = self._turns
        if turns.awaited >= MOST_AWAITED:
            turns.report_error(f"an operator's words were dropped: {MOST_AWAITED} posts have no answer yet")
            return
        if posts := self._transport.tell(told):
            if told.responds:
                turns.interject(now)
                turns.awaited += 1
            turns.outcomes += posts

    def _entry_call(self, entry: EnterDigits, tool: ToolSchema) -> ToolCalled:
        """A call of `on_entry` with the arguments that it takes. For a sensitive entry it gets the placeholder, which is replaced
        by the digits when the tool runs.
        """
        self._entries += 1
        arguments = {
            "digits": entry.placeholder or entry.digits,
            "reason": entry.reason,
            "terminator": entry.terminator,
        }
        taken = {name: value for name, value in arguments.items() if name in tool.parameters["properties"]}
        return ToolCalled(f"entry-{self._entries}", ON_ENTRY, json.encode(taken).decode())
