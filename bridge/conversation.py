"""What goes on between the caller and the assistant while both are there: replies, interruptions, words, tools.

No clock: `now` is seconds.
"""

from collections import Counter
from math import inf

from bridge.commands import AnswerTool, Command, DropReply, EnterDigits, RunTool, TruncateReply
from bridge.events import (
    AssistantLeaving,
    AssistantReady,
    CallerPaused,
    CallerSaid,
    CallerSpoke,
    MarkReached,
    ReplyAudio,
    ReplyEnded,
    ReplySaid,
    ToolAnswered,
    ToolCalled,
)
from bridge.timers import Timers
from bridge.transcript import Transcript
from bridge.voice import Voice
from telecodecs.format import AudioFormat

OWED_S = 5.0
"""So long after the caller's last word a reply may still be on its way."""


class Conversation:
    """One call's, whoever the assistant is at the time."""

    def __init__(self, line: AudioFormat, timers: Timers) -> None:
        self.voice = Voice(line, timers)
        self.transcript = Transcript()
        self._tools: set[str] = set()  # calls that are not answered
        self._speaking = False  # the caller
        self._owed_until = -inf  # by then a reply should have come
        self.leaving = False
        """The assistant is about to hang up."""
        self._keys_interrupt = False
        self._counts: Counter[str] = Counter()

    def counts(self) -> dict[str, int]:
        """What went on."""
        voice = self.voice
        return {
            **self._counts,
            "stray_marks": voice.stray_marks,
            "late_replies": voice.late,
            "too_long_replies": voice.too_long,
            "round_trip_ms": voice.round_trip_ms or 0,
        }

    def quiet(self, now: float) -> bool:
        """Nobody speaks, and nobody waits for anything."""
        busy = self._speaking or self.voice.pending or self._tools or self.leaving
        return not busy and now >= self._owed_until

    def begin(self, ready: AssistantReady, now: float) -> list[Command]:
        """An assistant joins. Raises ValueError if its voice cannot be converted."""
        self._keys_interrupt = ready.keys_interrupt
        self.leaving = False
        return self.voice.open(ready.speaks, now)

    def break_off(self, now: float) -> list[Command]:
        """The assistant is gone, or will be: what it said is all there is."""
        self._tools.clear()
        self._speaking, self._owed_until = False, -inf
        item = self.voice.speaking
        self.transcript.break_off(item, 0.0 if item is None else self.voice.length_ms(item))
        return self.voice.finish(now) + self.voice.mark_end()

    # The caller

    def spoke(self, event: CallerSpoke, now: float) -> list[Command]:
        """The caller began to speak."""
        self._speaking = True
        return self._interrupt(now) if event.interrupts else []

    def paused(self, event: CallerPaused, now: float) -> list[Command]:
        """The caller waits for a reply."""
        self._speaking, self._owed_until = False, now + OWED_S
        self.transcript.caller_paused(event.item)
        return []

    def caller_said(self, event: CallerSaid, _now: float) -> list[Command]:
        """The words of an utterance."""
        self.transcript.caller_said(event.item, event.text)
        return []

    def entered(self, commands: list[Command], now: float) -> list[Command]:
        """From the keypad: an entry among these is an utterance, and may stop what is played."""
        for command in commands:
            if isinstance(command, EnterDigits):
                self._owed_until = now + OWED_S
                self.transcript.caller_typed(command.digits)
                if self._keys_interrupt:
                    commands = self._interrupt(now) + commands
        return commands

    def hold(self, now: float) -> list[Command]:
        """Nobody can hear until the voice resumes; what was on its way is lost."""
        self._speaking = False
        return self._cut(self.voice.hold(now))

    def _interrupt(self, now: float) -> list[Command]:
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
        self._tools.add(event.call)
        return [RunTool(event.call, event.tool, event.arguments)]

    def tool_answered(self, event: ToolAnswered, now: float) -> list[Command]:
        """It was done, or not."""
        if event.call not in self._tools:  # asked for by an assistant that was lost since
            self._counts["late_tool_answers"] += 1
            return []
        self._tools.remove(event.call)
        self._owed_until = now + OWED_S
        return [AnswerTool(event.call, event.output)]

    def leaves(self, event: AssistantLeaving, _now: float) -> list[Command]:
        """It says goodbye, or was kept from it."""
        self.leaving = event.intended
        return []
