"""An assistant that takes turns: the caller speaks, then the assistant, each to the end; over a WebSocket or by posts.

While it is the assistant's turn nothing of the caller's voice goes there, unless `barge_in` lets him take the turn back.
`Turns` has_assistant whose it is, `Frames` and `Posts` how it travels. The contract has no word for the keypad: an entry is for
the tool `on_entry`, or a frame if the assistant has_assistant one; over HTTP it is a post.
No socket, no clock: `now` is seconds on the session's clock.
"""

from collections.abc import Sequence

from msgspec import json

from bridge.assistants.shared.turn_detection import may_suspect
from bridge.assistants.turn_based.frames import Frames
from bridge.assistants.turn_based.modes import Mode
from bridge.assistants.turn_based.posts import Posts
from bridge.assistants.turn_based.settings import ON_ENTRY, TurnBasedSettings
from bridge.assistants.turn_based.transport import Reply, Transport, Unknown, Unusable, UtteranceEnded
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
    TruncateReply,
    TypeDigit,
)
from bridge.vocabulary.contracts import Answer, Message, ToolSchema, Utterance
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import AssistantReady, AssistantReportedError, Ignored, ToolCalled

MOST_AWAITED = 8
"""Posts without an answer; further entries are dropped. Each is worth a reply that somebody must hear."""


class TurnBasedDialect:
    """One conversation's."""

    def __init__(self, settings: TurnBasedSettings, tools: Sequence[ToolSchema] = ()) -> None:
        self._settings = settings
        self._on_entry = next((tool for tool in tools if tool.name == ON_ENTRY), None)
        self._entries = 0
        self._transport: Transport = Posts(settings) if settings.is_posted else Frames(settings)
        self._turns = Turns(settings, self._transport)
        self._passes_on = (
            not settings.ends_locally and settings.barge_in is None
        )  # audio, unheard by the bridge
        self._puzzled = False  # it said something that we do not know, and that was told
        self._due: float | None = None

    def encode(self, command: AssistantCommand, now: float) -> Sequence[Message]:
        """The messages, none or more, that carry this command. What is for the core waits for `due`."""
        turns = self._turns
        if type(command) is AppendAudio:
            if self._passes_on:
                return self._transport.say(command.audio) if turns.mode is Mode.SENDING else ()
            turns.hear(command.audio, now)
            if not (turns.sends or turns.tells):
                return ()
        elif turns.mode is not Mode.CLOSED:
            self._carry(command, now)
        sends, turns.sends = turns.sends, []
        self._look_ahead(now)
        return sends

    def decode(self, message: Message, now: float) -> Sequence[Utterance]:
        """Read one message. Raises `MalformedMessage` for half a reply; what follows from it waits for `due`."""
        turns = self._turns
        if turns.mode is Mode.CLOSED:
            return ()
        if turns.mode is Mode.CONNECTING:
            self._begin(now)
        if message == UPGRADED:
            return self._told(now)
        match self._transport.read(message):
            case UtteranceEnded():
                if turns.mode is Mode.SENDING and self._settings.ends_remotely:
                    turns.end_utterance(now)
            case Reply() as reply:
                turns.take(reply, now)
            case Unusable(why, malformed):
                turns.fail(why, now, told=malformed)
                if malformed:
                    self._look_ahead(now)
                    raise MalformedMessage(why)
            case Unknown(kind, why):
                turns.tells.append(Ignored(kind))
                if not self._puzzled:
                    self._puzzled = True
                    turns.tells.append(AssistantReportedError(f"it sent {why}"))
        return self._told(now)

    def deadline(self) -> float | None:
        """When `due` wants to be called, at the latest; asked after each command and each message."""
        return self._due

    def due(self, now: float) -> Sequence[Utterance]:
        """What has fallen due by `now`."""
        self._turns.fall_due(now)
        return self._told(now)

    def _told(self, now: float) -> Sequence[Utterance]:
        turns = self._turns
        told: list[Utterance] = [*turns.tells]
        for message in turns.sends:
            assert isinstance(message, str), "a post is the answer to a command"
            told.append(Answer(message))
        turns.tells, turns.sends = [], []
        self._look_ahead(now)
        return told

    def _look_ahead(self, now: float) -> None:
        turns = self._turns
        self._due = now if turns.tells or turns.sends else turns.deadline()

    # Commands

    def _carry(self, command: AssistantCommand, now: float) -> None:
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
        self._turns.sends += self._transport.open(command)
        if self._settings.is_posted:
            self._begin(now)

    def _begin(self, now: float) -> None:
        transport, turns, barge_in = self._transport, self._turns, self._settings.barge_in

        ready = AssistantReady(
            transport.hears,
            transport.speaks,
            keys_interrupt=transport.entries_are_turns,
            may_suspect=may_suspect(barge_in),
        )
        turns.tells.append(ready)
        if turns.sends:
            turns.awaited = 1
            turns.wait()
        else:
            turns.begin(now)

    def _enter(self, entry: EnterDigits, now: float) -> None:
        turns = self._turns
        if self._on_entry is not None:
            turns.tells.append(self._entry_call(entry, self._on_entry))
        if not self._transport.entries_are_turns:
            turns.sends += self._transport.enter(entry)
        elif turns.awaited >= MOST_AWAITED:
            turns.report_error(f"an entry was dropped: {MOST_AWAITED} posts have no answer yet")
        else:
            turns.interject(now)
            turns.sends += self._transport.enter(entry)
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
