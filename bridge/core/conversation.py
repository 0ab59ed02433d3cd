"""What goes on between the caller and the assistant while both are there: replies, interruptions, words, keys, tools.

`EVER` and `TALK` say which event means what. No clock: `now` is seconds.
"""

from collections import Counter
from collections.abc import Callable, Collection
from math import inf
from typing import Any

from bridge.core.entries import Entries, KeypadRules
from bridge.core.reply_audio import Voice
from bridge.core.timers import Timers
from bridge.core.transcript import Transcript
from bridge.vocabulary.commands import (
    AnswerTool,
    Command,
    DropReply,
    EnterDigits,
    PressKeys,
    RunTool,
    TruncateReply,
)
from bridge.vocabulary.events import (
    AssistantHangingUp,
    AssistantReady,
    CallerSaid,
    DigitPressed,
    EntryEnd,
    EntryRequested,
    MarkReached,
    PressRequested,
    ReplyAudio,
    ReplyEnded,
    ReplySaid,
    SpeechDismissed,
    SpeechStarted,
    SpeechStopped,
    SpeechSuspected,
    ToolAnswered,
    ToolCalled,
    Word,
)
from telecodecs.codec import encoder
from telecodecs.dtmf import dialled
from telecodecs.format import AudioFormat

OWED_S = 5.0
"""So long after the caller's last word a reply may still be on its way."""


class Conversation:
    """One call's, whoever the assistant is at the time. `line`: of what is played to the caller.

    `can`: the commands that the carrier performs beside its stream.
    """

    def __init__(
        self, line: AudioFormat, keypad: KeypadRules, timers: Timers, can: Collection[type[Command]]
    ) -> None:
        self.voice = Voice(line, timers)
        self.transcript = Transcript()
        self._line = line
        self._entries = Entries(keypad, timers)
        self._can = can
        self._tools: set[str] = set()  # calls that are not answered
        self._speaking = False  # the caller
        self._owed_until = -inf  # by then a reply should have come
        self.hanging_up = False
        """The assistant is about to hang up."""
        self._keys_interrupt = False
        self._first_key_interrupts = keypad.interrupts
        self._counts: Counter[str] = Counter()

    def counts(self) -> dict[str, int]:
        """What went on."""
        voice = self.voice
        return {
            **self._counts,
            "digits": self._entries.keys,
            "stray_marks": voice.stray_marks,
            "late_replies": voice.late,
            "too_long_replies": voice.too_long,
            "round_trip_ms": voice.round_trip_ms or 0,
        }

    def quiet(self, now: float) -> bool:
        """Nobody speaks, and nobody waits for anything."""
        busy = (
            self._speaking
            or self.voice.pending
            or self._tools
            or self.hanging_up
            or self._entries.is_gathering
        )
        return not busy and now >= self._owed_until

    def begin(self, ready: AssistantReady, now: float) -> list[Command]:
        """An assistant joins. Raises ValueError if its voice cannot be converted."""
        self._keys_interrupt = ready.keys_interrupt
        self.hanging_up = False
        commands = self.voice.open(ready.speaks, now, may_pause=ready.may_suspect)
        return commands + self._typed(self._entries.listen(now), now)

    def break_off(self, now: float) -> list[Command]:
        """The assistant is gone, or will be: what it said is all there is."""
        self._tools.clear()
        self._speaking, self._owed_until = False, -inf
        commands = self._entries.unheard(now) + self.voice.go_on(now)
        item = self.voice.speaking
        self.transcript.break_off(item, 0.0 if item is None else self.voice.length_ms(item))
        return commands + self.voice.finish(now) + self.voice.mark_end()

    # The caller

    def suspected(self, _event: SpeechSuspected, now: float) -> list[Command]:
        """The caller may have begun to speak."""
        return [] if self.voice.plays_own(now) else self.voice.pause(now)

    def dismissed(self, _event: SpeechDismissed, now: float) -> list[Command]:
        """It was nothing."""
        self._counts["coughs"] += 1
        return self.voice.go_on(now)

    def spoke(self, event: SpeechStarted, now: float) -> list[Command]:
        """The caller began to speak."""
        self._speaking = True
        return self._interrupt(now) if event.interrupts else self.voice.go_on(now)

    def paused(self, event: SpeechStopped, now: float) -> list[Command]:
        """The caller waits for a reply."""
        self._speaking, self._owed_until = False, now + OWED_S
        self.transcript.caller_paused(event.item)
        return []

    def caller_said(self, event: CallerSaid, _now: float) -> list[Command]:
        """The words of an utterance."""
        self.transcript.caller_said(event.item, event.text)
        return []

    def hold(self, now: float) -> list[Command]:
        """Nobody can hear until the voice resumes; what was on its way is lost."""
        self._speaking = False
        return self._cut(self.voice.hold(now))

    # Keys

    def set_sensitive(self, now: float) -> list[Command]:
        """The call begins: whether what is typed is anybody's business."""
        return self._entries.set_sensitive(now)

    def pressed(self, event: DigitPressed, now: float) -> list[Command]:
        """The caller pressed a key."""
        begins = self._entries.begins
        commands = self._entries.press(event, now)
        opened = begins and not self._entries.begins  # not so a key that is held, or the end of a full entry
        if opened and self._keys_interrupt and self._first_key_interrupts:
            commands = self._interrupt(now) + commands
        return self._typed(commands, now)

    def entry_due(self, now: float) -> list[Command]:
        """No further key came."""
        return self._typed(self._entries.fall_due(now, speaking=self.voice.pending), now)

    def entry_asked(self, event: EntryRequested, now: float) -> list[Command]:
        """The assistant wants the caller to type."""
        return self._typed(self._entries.ask(event, now), now)

    def hang_up(self, now: float) -> list[Command]:
        """The call is over; an entry that was begun is still told."""
        return self._typed(self._entries.hang_up(now), now)

    def _typed(self, commands: list[Command], now: float) -> list[Command]:
        """An entry among these is an utterance, and may stop what is played."""
        for command in commands:
            if isinstance(command, EnterDigits):
                self._owed_until = now + OWED_S
                self.transcript.caller_typed(command.placeholder or command.digits or command.terminator)
                if self._keys_interrupt and command.reason is not EntryEnd.HANGUP:
                    commands = self._interrupt(now) + commands
        return commands

    def press_asked(self, event: PressRequested, now: float) -> list[Command]:
        """The assistant wants keys pressed: the carrier does, or they sound in the voice's stead."""
        if PressKeys in self._can:
            return [PressKeys(event.keys)]
        self._counts["keys_played"] += 1
        sound = encoder(self._line)(dialled(event.keys, self._line.rate_hz))
        return self.voice.insert(f"keys-{self._counts['keys_played']}", sound, now)

    # Interruptions

    def _interrupt(self, now: float) -> list[Command]:
        if self.voice.plays_own(now):  # keys that the far end waits for: what it says does not stop them
            return self.voice.go_on(now)
        commands = self.voice.interrupt(now)
        self._counts["barge_ins"] += bool(commands)
        return self._cut(commands)

    def _cut(self, commands: list[Command]) -> list[Command]:
        """The transcript keeps what was heard."""
        for command in commands:
            match command:
                case TruncateReply(item, heard_ms):
                    self.transcript.cut(item, heard_ms / max(1.0, self.voice.length_ms(item)))
                case DropReply(item):
                    self.voice.length_ms(item)
                    self.transcript.cut(item, 0.0)
        return commands

    # The assistant

    def reply_audio(self, event: ReplyAudio, now: float) -> list[Command]:
        """Its voice."""
        if event.item != self.voice.speaking:
            self._owed_until = -inf
            self.transcript.reply_sounds(event.item)
        return self.voice.play(event.item, event.audio, now)

    def reply_ended(self, event: ReplyEnded, now: float) -> list[Command]:
        """The end of an item."""
        return self.voice.end(event.item, now)

    def reply_said(self, event: ReplySaid, _now: float) -> list[Command]:
        """Its words."""
        self.transcript.reply_said(event.item, event.text)
        return []

    def mark_reached(self, event: MarkReached, now: float) -> list[Command]:
        """The carrier returned a mark."""
        return self.voice.mark_reached(event.name, now)

    def tool_called(self, event: ToolCalled, _now: float) -> list[Command]:
        """It wants something done."""
        self._tools.add(event.tool_call_id)
        return [RunTool(event.tool_call_id, event.tool, event.arguments)]

    def tool_answered(self, event: ToolAnswered, now: float) -> list[Command]:
        """It was done, or not."""
        if event.tool_call_id not in self._tools:  # asked for by an assistant that was lost since
            self._counts["late_tool_answers"] += 1
            return []
        self._tools.remove(event.tool_call_id)
        self._owed_until = now + OWED_S
        return [AnswerTool(event.tool_call_id, event.output)]

    def leaves(self, event: AssistantHangingUp, _now: float) -> list[Command]:
        """It says goodbye, or was kept from it."""
        self.hanging_up = event.intended
        return []


Read = Callable[[Conversation, Any, float], list[Command]]

EVER: dict[type[Word], Read] = {
    MarkReached: Conversation.mark_reached,
    ToolAnswered: Conversation.tool_answered,
}
"""Also while an assistant is opened."""

TALK: dict[type[Word], Read] = {
    AssistantHangingUp: Conversation.leaves,
    ReplyAudio: Conversation.reply_audio,
    ReplyEnded: Conversation.reply_ended,
    ReplySaid: Conversation.reply_said,
    SpeechSuspected: Conversation.suspected,
    SpeechDismissed: Conversation.dismissed,
    SpeechStarted: Conversation.spoke,
    SpeechStopped: Conversation.paused,
    CallerSaid: Conversation.caller_said,
    ToolCalled: Conversation.tool_called,
    EntryRequested: Conversation.entry_asked,
    PressRequested: Conversation.press_asked,
}
"""While one has the call."""
