"""The dialect of an assistant that takes turns: the caller speaks, then the assistant, each to the end.

While it is the assistant's turn it gets nothing of the caller's voice, unless `barge_in` lets the caller take the turn
back. `Turns` decides whose turn it is; `Frames` (WebSocket) and `Posts` (HTTP) say how it travels. The contract of these
assistants has no word for the keypad: an entry calls the tool `on_entry`, or is a frame if the assistant knows one; over
HTTP it is a post. No socket, no clock: `now` is seconds on the session's clock.
"""

from collections.abc import Sequence

from msgspec import json

from bridge.assistants.turn_based.frames import Frames
from bridge.assistants.turn_based.modes import Mode
from bridge.assistants.turn_based.posts import Posts
from bridge.assistants.turn_based.settings import ON_ENTRY, TurnBasedSettings
from bridge.assistants.turn_based.turns import Turns
from bridge.assistants.turn_based.way import Reply, Unknown, Unusable, UtteranceEnded, Way
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
    TruncateReply,
    TypeDigit,
)
from bridge.vocabulary.contracts import AssistantOutcome, Posted, ToolSchema, WireMessage
from bridge.vocabulary.events import (
    AssistantReady,
    AssistantReportedError,
    Ignored,
    LegName,
    MessageRefused,
    ToolCalled,
)

MOST_AWAITED = 8
"""Posts without an answer; further entries are dropped. Each is worth a reply that somebody must hear."""


class TurnBasedDialect:
    """The dialect of one conversation; see `contracts.Assistant`."""

    def __init__(self, settings: TurnBasedSettings, tools: Sequence[ToolSchema] = ()) -> None:
        self._settings = settings
        self._on_entry = next((tool for tool in tools if tool.name == ON_ENTRY), None)
        self._entries = 0
        self._way: Way = Posts(settings) if settings.is_posted else Frames(settings)
        self._turns = Turns(settings, self._way)
        # The caller's audio goes on as it is, and no turn detector of ours hears it.
        self._passes_on = not settings.ends_locally and settings.barge_in is None
        self._reported_unknown = False  # once is enough
        self._due: float | None = None

    def encode(self, command: AssistantCommand, now: float) -> Sequence[AssistantOutcome]:
        """Carry out one command; what our own turn detectors hear in the caller's audio is returned with it."""
        turns = self._turns
        if type(command) is AppendAudio:
            if self._passes_on:
                return self._way.say(command.audio) if turns.mode is Mode.SENDING else ()
            turns.hear(command.audio, now)
            if not turns.outcomes:
                return ()
        elif turns.mode is not Mode.CLOSED:
            self._carry_out(command, now)
        return self._take_outcomes()

    def decode(self, message: WireMessage | Posted, now: float) -> Sequence[AssistantOutcome]:
        """Read one message. Nothing is raised: with half a reply comes `MessageRefused`, then what follows from it."""
        turns = self._turns
        if turns.mode is Mode.CLOSED:
            return ()
        if turns.mode is Mode.CONNECTING:
            self._begin(now, asked=False)
        if message == UPGRADED:
            return self._take_outcomes()
        match self._way.read(message):
            case UtteranceEnded():
                if turns.mode is Mode.SENDING and self._settings.ends_remotely:
                    turns.end_utterance(now)
            case Reply() as reply:
                turns.take(reply, now)
            case Unusable(why, malformed):
                if malformed:
                    turns.outcomes.append(MessageRefused(LegName.ASSISTANT, why))
                turns.fail(why, now, told=malformed)
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
            case AppendAudio() | TypeDigit() | AnswerTool():
                pass

    def _open(self, command: OpenAssistant, now: float) -> None:
        """Over HTTP there is nothing to wait for; a WebSocket has to stand."""
        greeting = self._way.open(command)
        self._turns.outcomes += greeting
        if self._settings.is_posted:
            self._begin(now, asked=bool(greeting))

    def _begin(self, now: float, *, asked: bool) -> None:
        """The assistant is there. `asked`: it was asked for a greeting."""
        way, turns, barge_in = self._way, self._turns, self._settings.barge_in
        may_suspect = barge_in is not None and barge_in.confirm_ms > 0
        ready = AssistantReady(way.hears, way.speaks, keys_interrupt=way.keys_ask, may_suspect=may_suspect)
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
        if not self._way.keys_ask:
            turns.outcomes += self._way.enter(entry)
        elif turns.awaited >= MOST_AWAITED:
            turns.report_error(f"an entry was dropped: {MOST_AWAITED} posts have no answer yet")
        else:
            turns.interject(now)
            turns.outcomes += self._way.enter(entry)
            turns.awaited += 1

    def _entry_call(self, entry: EnterDigits, tool: ToolSchema) -> ToolCalled:
        """As much of it as the tool takes. A sensitive one by its name: the digits take its place when the tool runs."""
        self._entries += 1
        arguments = {
            "digits": entry.placeholder or entry.digits,
            "reason": entry.reason,
            "terminator": entry.terminator,
        }
        taken = {name: value for name, value in arguments.items() if name in tool.parameters["properties"]}
        return ToolCalled(f"entry-{self._entries}", ON_ENTRY, json.encode(taken).decode())
