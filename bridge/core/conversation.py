"""What passes between the caller and the assistants: replies, interruptions, words, keys, tools.

The tables `ANY_TIME` and `TALKING` say what each event means. No clock: `now` is seconds.
"""

from collections import Counter
from collections.abc import Callable
from math import inf
from typing import Any

from msgspec import json, structs

from bridge.core.entries import Entries, KeypadRules
from bridge.core.hold_music import HoldMusic
from bridge.core.key_tones import keys_sound
from bridge.core.reply_audio import Voice
from bridge.core.sensitive_entries import SensitiveEntries
from bridge.core.timers import Timers
from bridge.core.tool_calls import ToolCalls
from bridge.core.transcript import Transcript
from bridge.core.waiting_signal import Signal, WaitingSignal
from bridge.vocabulary.built_in_tool import BuiltInTool
from bridge.vocabulary.built_in_tools import COLLECT_DIGITS, NOTE, OUTCOME, SEND_DIGITS
from bridge.vocabulary.commands import Command, EnterDigits, PressKeys
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.events import (
    AssistantHangingUp,
    AssistantReady,
    CallerSaid,
    DigitPressed,
    EntryEnd,
    EntryRequested,
    History,
    MarkReached,
    NoteTaken,
    OutcomeSet,
    PressRequested,
    ReplyAudio,
    ReplyDelayed,
    ReplyEnded,
    ReplySaid,
    Said,
    SpeechDismissed,
    SpeechStarted,
    SpeechStopped,
    SpeechSuspected,
    ToolAnswered,
    ToolCalled,
    Word,
)
from bridge.vocabulary.operator import TellRequested
from bridge.vocabulary.people_tools import TRANSFER
from telecodecs.format import AudioFormat

REPLY_EXPECTED_S = 5.0
"""So long after the caller's last word a reply may still be on its way."""

INTERRUPTED = (
    b"error: the connection was lost before the entry was complete; what is typed comes as another entry"
)
"""The output of `collect_digits` for the next assistant."""


class Conversation:
    """The conversation of one call, whoever the assistant is at the time.

    `plays`: the format of what is played to the caller. `signal`: played where the caller waits for too long.
    `presses`: the carrier performs `PressKeys`.
    """

    def __init__(
        self, plays: AudioFormat, keypad: KeypadRules, timers: Timers, signal: Signal, *, presses: bool
    ) -> None:
        self.transcript = Transcript()
        self.voice = Voice(plays, timers, self.transcript.cut)
        self.waiting_signal = WaitingSignal(signal, self.voice, timers)
        self.hold_music = HoldMusic(self.voice, plays, timers)
        self.is_hanging_up = False
        """The assistant is about to hang up."""
        self.has_reply = False
        """The assistant that has the call has spoken."""
        self.plays = plays
        """The format of what is played to the caller."""
        self._presses = presses
        self._entries = Entries(keypad, timers)
        self._sensitive = SensitiveEntries()
        self._tools = ToolCalls(self.transcript)
        self._caller_speaks = False
        self._reply_expected_until = -inf
        self._keys_interrupt = False
        self._first_key_interrupts = keypad.interrupts
        self._counts: Counter[str] = Counter()

    def counts(self) -> dict[str, int]:
        """Interruptions, keys, marks and replies by kind of trouble; and the carrier's round trip in ms."""
        voice = self.voice
        return {
            **self._counts,
            "digits": self._entries.keys,
            "stray_marks": voice.stray_marks,
            "late_replies": voice.late_pieces,
            "too_long_replies": voice.dropped_pieces,
            "round_trip_ms": voice.round_trip_ms or 0,
            "late_tool_answers": self._tools.late_answers,
            "stray_tool_answers": self._tools.stray_answers,
        }

    def history(self) -> History:
        """What the next assistant is told of the call so far; of sensitive entries it gets the placeholders alone."""
        mask = self._sensitive.mask
        return tuple(
            structs.replace(told, text=mask(told.text))
            if isinstance(told, Said)
            else structs.replace(
                told, arguments=mask(told.arguments), output=told.output and mask(told.output)
            )
            for told in self.transcript.history()
        )

    def is_quiet(self, now: float) -> bool:
        """Whether nobody speaks, and nobody waits for anything."""
        is_busy = (
            self._caller_speaks
            or self.voice.is_pending
            or self._tools.any_open
            or self.is_hanging_up
            or self._entries.is_gathering
        )
        return not is_busy and now >= self._reply_expected_until

    def begin(self, ready: AssistantReady, now: float) -> list[Command]:
        """An assistant has the call. Raises ValueError if what it speaks cannot be converted."""
        self._keys_interrupt = ready.keys_interrupt
        self.is_hanging_up = False
        commands = self.voice.open(ready.speaks, now, may_pause=ready.may_suspect)
        answers = self._tools.open()
        if answers:
            self._reply_expected_until = now + REPLY_EXPECTED_S
        return [*commands, *answers, *self._enter(self._entries.open(now), now)]

    def break_off(self, now: float) -> list[Command]:
        """The assistant is gone, or about to be: what it said so far is all that it says. Its tools go on."""
        self._tools.close()
        self._caller_speaks, self._reply_expected_until = False, -inf
        self.has_reply = False
        for request in self._entries.requests:
            self._built_in_used(COLLECT_DIGITS, json.encode(_arguments(request)), INTERRUPTED)
        commands = self._entries.close(now) + self.voice.resume(now)
        item = self.voice.incoming_item
        self.transcript.break_off(item, 0.0 if item is None else self.voice.take_length_ms(item))
        return commands + self.voice.finish(now) + self.voice.mark_end()

    def heard(self, now: float) -> History:
        """What was said and done in a call that is over: of replies what the caller heard."""
        self.voice.interrupt(now)
        item = self.voice.incoming_item
        self.transcript.break_off(item, 0.0 if item is None else self.voice.take_length_ms(item))
        return self.history()

    def stream_dropped(self, now: float) -> list[Command]:
        """The caller hears nothing until the stream is resumed; what was on its way is lost."""
        self._caller_speaks = False
        return self.voice.stream_dropped(now)

    # A handover

    @property
    def is_typing(self) -> bool:
        """Whether the caller types an entry, or was asked for one."""
        return self._entries.is_gathering

    def hold(self, now: float) -> list[Command]:
        """The caller is put on hold: what is not heard by now is not heard any more."""
        self._caller_speaks, self._reply_expected_until = False, -inf
        self.waiting_signal.reset()
        return self.voice.resume(now) + self.voice.interrupt(now)

    def come_back(self, now: float) -> list[Command]:
        """The caller is back with the same assistant, which is about to be told so."""
        self._reply_expected_until = now + REPLY_EXPECTED_S
        return self._entries.set_sensitive(now)

    def transferred(self, arguments: dict[str, str], output: str) -> None:
        """A transfer is over: keep what was asked for, and what became of it, for the next assistant."""
        self._built_in_used(TRANSFER, json.encode(arguments), output.encode())

    # The caller

    def speech_suspected(self, _event: SpeechSuspected, now: float) -> list[Command]:
        """Pause the reply, but not tones that the far end waits for."""
        return [] if self.voice.has_own_sound(now) else self.voice.pause(now)

    def speech_dismissed(self, _event: SpeechDismissed, now: float) -> list[Command]:
        """Go on with the reply."""
        self._counts["speech_dismissed"] += 1
        return self.voice.resume(now)

    def speech_started(self, event: SpeechStarted, now: float) -> list[Command]:
        """Cut the reply, or go on with it where this speech does not interrupt."""
        self._caller_speaks = True
        self.waiting_signal.reset()
        return self._interrupt(now) if event.interrupts else self.voice.resume(now)

    def speech_stopped(self, event: SpeechStopped, now: float) -> list[Command]:
        """From now on the caller waits for a reply."""
        self._caller_speaks, self._reply_expected_until = False, now + REPLY_EXPECTED_S
        self.transcript.caller_paused(event.item)
        return []

    def caller_said(self, event: CallerSaid, _now: float) -> list[Command]:
        """Keep the words of an utterance."""
        self.transcript.caller_said(event.item, event.text)
        return []

    def _interrupt(self, now: float) -> list[Command]:
        if self.voice.has_own_sound(now):  # tones for the far end: what it says does not stop them
            return self.voice.resume(now)
        if self.voice.has_signal:  # no assistant's reply is behind it
            return self.voice.end_signal(now)
        commands = self.voice.interrupt(now)
        self._counts["barge_ins"] += bool(commands)
        return commands

    # Keys

    def set_sensitive(self, now: float) -> list[Command]:
        """The call begins: say whether its keys are sensitive."""
        return self._entries.set_sensitive(now)

    def pressed(self, event: DigitPressed, now: float) -> list[Command]:
        """The caller pressed a key."""
        was_empty = self._entries.is_empty
        commands = self._entries.press(event, now)
        is_begun = was_empty and not self._entries.is_empty  # false for a held key and for a full entry
        if is_begun and self._keys_interrupt and self._first_key_interrupts:
            commands = self._interrupt(now) + commands
        return self._enter(commands, now)

    def entry_due(self, now: float) -> list[Command]:
        """No further key of an entry came in time."""
        return self._enter(self._entries.fall_due(now, is_prompting=self.voice.is_pending), now)

    def entry_requested(self, event: EntryRequested, now: float) -> list[Command]:
        """The assistant wants the caller to type."""
        return self._enter(self._entries.request(event, now), now)

    def end_entry(self, now: float) -> list[Command]:
        """The call is over: finish the entry that was begun."""
        return self._enter(self._entries.hang_up(now), now)

    def _enter(self, commands: list[Command], now: float) -> list[Command]:
        """An entry among these commands is an utterance, and may interrupt what is played."""
        for command in commands:
            if isinstance(command, EnterDigits):
                self._sensitive.add(command)
                self.waiting_signal.reset()
                self._reply_expected_until = now + REPLY_EXPECTED_S
                self.transcript.caller_typed(command.placeholder or command.digits or command.terminator)
                if self._keys_interrupt and command.reason is not EntryEnd.HANGUP:
                    commands = self._interrupt(now) + commands
        return commands

    def press_requested(self, event: PressRequested, now: float) -> list[Command]:
        """The assistant wants keys pressed: the carrier does that, or their tones are played."""
        self.keys_pressed(event.keys)
        if self._presses:
            return [PressKeys(event.keys)]
        if not self.voice.has_room_for_sound():
            return []
        self._counts["keys_played"] += 1
        item = f"keys-{self._counts['keys_played']}"
        return self.voice.end_signal(now) + self.voice.insert(item, keys_sound(event.keys, self.plays), now)

    def keys_pressed(self, keys: str) -> None:
        """These keys are pressed for the far end; the next assistant is told of it."""
        self._built_in_used(SEND_DIGITS, json.encode({"digits": keys}), json.encode({"sent": keys}))

    # The assistant

    def reply_audio(self, event: ReplyAudio, now: float) -> list[Command]:
        """Play a piece of a reply."""
        if event.item != self.voice.incoming_item:
            self._reply_expected_until, self.has_reply = -inf, True
            self.transcript.reply_sounds(event.item)
            self.waiting_signal.reset()
            if self.voice.has_signal:
                return self.voice.end_signal(now) + self.voice.play(event.item, event.audio, now)
        return self.voice.play(event.item, event.audio, now)

    def reply_ended(self, event: ReplyEnded, now: float) -> list[Command]:
        """Finish an item of a reply."""
        return self.voice.end(event.item, now)

    def reply_said(self, event: ReplySaid, _now: float) -> list[Command]:
        """Keep the next words of a reply."""
        self.transcript.reply_said(event.item, event.text)
        return []

    def reply_delayed(self, event: ReplyDelayed, now: float) -> list[Command]:
        """The caller waits for a reply that failed, and that is asked for again."""
        self._counts["replies_delayed"] += 1
        if not self._caller_speaks:
            self.waiting_signal.delayed(now)
        self._reply_expected_until = max(self._reply_expected_until, now + event.wait_s + REPLY_EXPECTED_S)
        return []

    def mark_reached(self, event: MarkReached, now: float) -> list[Command]:
        """The carrier returned a mark."""
        return self.voice.mark_reached(event.name, now)

    def tool_called(self, event: ToolCalled, _now: float) -> list[Command]:
        """Run a tool for the assistant."""
        return [self._tools.call(event, self._sensitive.mask(event.arguments))]

    def tool_answered(self, event: ToolAnswered, now: float) -> list[Command]:
        """Give the output of a tool to the assistant that has the call: to the one that called it, or to the next."""
        answer = self._tools.answer(event)
        if answer is None:
            return []
        self._reply_expected_until = now + REPLY_EXPECTED_S
        return [answer]

    def note_taken(self, event: NoteTaken, _now: float) -> list[Command]:
        """The assistant wants a line in the journal, where it is by now."""
        self._built_in_used(NOTE, json.encode({"text": event.text}), b"noted")
        return []

    def outcome_set(self, event: OutcomeSet, _now: float) -> list[Command]:
        """The assistant says what came of the call; observers have seen it."""
        self._built_in_used(OUTCOME, json.encode({"outcome": event.outcome}), b"kept")
        return []

    def _built_in_used(self, tool: BuiltInTool, arguments: bytes, output: bytes) -> None:
        """The next assistant is told of it, so that it does not do it once more."""
        mask = self._sensitive.mask
        self.transcript.built_in_used(tool.name, mask(arguments.decode()), mask(output.decode()))

    def told(self, event: TellRequested, now: float) -> None:
        """An operator tells the assistant something; the next one is told of it, too."""
        if event.responds:
            self._reply_expected_until = now + REPLY_EXPECTED_S
        mask = self._sensitive.mask
        self.transcript.built_in_used("operator", mask(json.encode({"text": event.text}).decode()), "told")

    def assistant_hanging_up(self, event: AssistantHangingUp, _now: float) -> list[Command]:
        """The assistant is about to hang up, or was kept from it."""
        self.is_hanging_up = event.intended
        return []


def _arguments(request: EntryRequested) -> dict[str, object]:
    """What was requested, as the arguments of `collect_digits`."""
    arguments = {
        "length": request.length,
        "terminator": request.terminator,
        "timeout": request.timeout_s,
        "sensitive": request.sensitive or None,
    }
    return {name: value for name, value in arguments.items() if value is not None}


Read = Callable[[Conversation, Any, float], list[Command]]

ANY_TIME: dict[type[Word], Read] = dict(
    [on(MarkReached, Conversation.mark_reached), on(ToolAnswered, Conversation.tool_answered)]
)
"""What events mean to a conversation whether an assistant has the call or is being opened."""

TALKING: dict[type[Word], Read] = dict(
    [
        on(AssistantHangingUp, Conversation.assistant_hanging_up),
        on(ReplyAudio, Conversation.reply_audio),
        on(ReplyDelayed, Conversation.reply_delayed),
        on(ReplyEnded, Conversation.reply_ended),
        on(ReplySaid, Conversation.reply_said),
        on(SpeechSuspected, Conversation.speech_suspected),
        on(SpeechDismissed, Conversation.speech_dismissed),
        on(SpeechStarted, Conversation.speech_started),
        on(SpeechStopped, Conversation.speech_stopped),
        on(CallerSaid, Conversation.caller_said),
        on(ToolCalled, Conversation.tool_called),
        on(EntryRequested, Conversation.entry_requested),
        on(PressRequested, Conversation.press_requested),
        on(NoteTaken, Conversation.note_taken),
        on(OutcomeSet, Conversation.outcome_set),
    ]
)
"""What events mean to a conversation while an assistant has the call."""
