"""The assistant's side of one WebSocket: the caller's frames and the time in, replies out. It reads like the contract:

           RESTART             end of utterance             reply
    idle ────────────▶ listening ────────────▶ answering ────────────▶ idle
                           └─────something is said unasked─────────────▶ idle

    RESTART comes in any state: forget what was heard, drop the reply that is in work, listen.

Up: RESTART_COMMUNICATION, and base64 of mu-law at 8 kHz. Down: SINGLE_UTTERANCE_END once, then `_MULAW` and base64 of
the whole reply. Text frames only, compared exactly. No socket and no clock: `begin`, then `hear` each message and ask
`due` no later than `deadline`; all three return what to do with the socket, in order. `now` is seconds.
"""

from binascii import a2b_base64
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from bridge.simulators.assistant import voice
from bridge.simulators.assistant.frames import reply_frame, reply_frames
from bridge.simulators.assistant.listening import Listening
from bridge.simulators.assistant.script import Script
from bridge.vocabulary.contracts import WireMessage
from telecodecs.dtmf import TONES_HZ
from telecodecs.format import PCMU_8K

QUIET_WIRE_S = 1.0
"""A client that sends audio and then none for so long has found the end of the utterance itself."""


class Close(NamedTuple):
    """Close the connection. `code`: of the WebSocket; 1006: cut it off, with nothing said."""

    code: int


Act = WireMessage | Close
"""What the socket is told: a message to send, or to close."""


class State(StrEnum):
    """Where a turn is."""

    IDLE = "idle"
    LISTENING = "listening"
    ANSWERING = "answering"


class Step(StrEnum):
    """What takes a turn further."""

    RESTART = "the client begins a turn"
    END = "the utterance is over"
    REPLY = "the reply goes out"
    SPEAK_UP = "something is said though no utterance has ended"


MOVES = {
    (State.IDLE, Step.RESTART): State.LISTENING,
    (State.LISTENING, Step.RESTART): State.LISTENING,
    (State.ANSWERING, Step.RESTART): State.LISTENING,
    (State.LISTENING, Step.END): State.ANSWERING,
    (State.ANSWERING, Step.REPLY): State.IDLE,
    (State.LISTENING, Step.SPEAK_UP): State.IDLE,
}


class Timer(StrEnum):
    """What can fall due, and what it means when it does."""

    REPLY = "the reply has been thought out"
    QUIET_WIRE = "the client sends no more audio"
    REPROMPT = "nobody has spoken for long"
    CLOSE = "the script wants the connection closed"


@dataclass
class Turn:
    """One utterance and its reply, for the record. Times are the caller's `now`; audio is mu-law at 8 kHz."""

    number: int
    began_at: float
    restarts: int = 1
    """More than one where a RESTART came and nothing had been said since the last."""
    frames: int = 0
    """Of audio, while it was listened to ..."""
    late_frames: int = 0
    """... and after the end of the utterance."""
    utterance: bytes = b""
    entry: str | None = None
    """Typed, in place of the utterance."""
    ended_at: float | None = None
    reply: bytes = b""
    replied_at: float | None = None

    @property
    def is_used(self) -> bool:
        """Whether anything was said in it, by either side, so that the next RESTART begins another one."""
        return self.ended_at is not None or self.replied_at is not None


class Conversation:
    """One connection; the first has the number 1. Without `keeps_record` only the last turn is kept."""

    def __init__(self, script: Script, *, number: int = 1, keeps_record: bool = True) -> None:
        self.state = State.IDLE
        self.turns: list[Turn] = []
        self.entries: list[str] = []
        """What was typed, answered or not."""
        self.early_frames = 0
        """Of audio, before the first RESTART."""
        self.refused: list[str] = []
        """What came and has no meaning: in words that do not quote it."""
        self._script = script
        self._number = number
        self._keeps_record = keeps_record
        self._faults = script.faults_of(number, 0)
        self._turn = Turn(0, 0.0)
        self._listening = Listening(script.silence_ms)
        self._due: dict[Timer, float] = {}
        self._acts: list[Act] = []
        self._over = False

    def begin(self, now: float) -> list[Act]:
        """The connection is open."""
        if self._script.greeting is not None:
            self._say(voice.recording(self._script.greeting, PCMU_8K))
        self._arm_close("idle", now)
        return self.due(now)

    def deadline(self) -> float | None:
        """When `due` has something to do again."""
        return min(self._due.values(), default=None)

    def due(self, now: float) -> list[Act]:
        """What has fallen due by `now`."""
        self._catch_up(now)
        return self._take()

    def hear(self, message: WireMessage, now: float) -> list[Act]:
        """A message came. What was due before goes out before its answer."""
        self._catch_up(now)
        if self._over:
            pass
        elif isinstance(message, bytes):
            self._refuse("a binary message; the contract has text alone")
        elif message == self._script.restart:
            self._restart(now)
        elif message == self._script.utterance_end:
            self._end(now)
        elif message.startswith(self._script.entry_prefix):
            self._enter(message.removeprefix(self._script.entry_prefix), now)
        else:
            self._hear_frame(message, now)
        return self._take()

    # What the client says

    def _restart(self, now: float) -> None:
        if self._turn.number and not self._turn.is_used:
            self._turn.restarts += 1
        else:
            if not self._keeps_record:
                self.turns.clear()
            self._turn = Turn(self._turn.number + 1, now)
            self.turns.append(self._turn)
        self._faults = self._script.faults_of(self._number, self._turn.number)
        self._listening = Listening(self._script.silence_ms)
        self._move(Step.RESTART, now)

    def _hear_frame(self, message: str, now: float) -> None:
        try:
            audio = a2b_base64(message, strict_mode=True)
        except ValueError:
            audio = b""
        if not audio:
            self._refuse("text that is neither a word of the contract nor base64")
        elif self.state is State.LISTENING:
            self._turn.frames += 1
            self._listen(audio, now)
        elif self._turn.number:
            self._turn.late_frames += 1
        else:
            self.early_frames += 1

    def _listen(self, audio: bytes, now: float) -> None:
        over = self._listening.append(audio)
        if self._listening.has_speech:
            self._due.pop(Timer.REPROMPT, None)
            self._due[Timer.QUIET_WIRE] = now + QUIET_WIRE_S
        if over:
            self._end(now)
        elif self._listening.has_speech and self._faults.reply == "early":
            self._turn.utterance = self._listening.utterance()
            self._reply(Step.SPEAK_UP, now)

    def _enter(self, digits: str, now: float) -> None:
        if not set(digits) <= TONES_HZ.keys():
            self._refuse("an entry with keys that no keypad has; 0-9, *, # and A-D are")
            return
        if self._keeps_record:
            self.entries.append(digits)
        if self.state is State.LISTENING:
            self._turn.entry = digits
            self._end(now)

    def _refuse(self, why: str) -> None:
        if self._keeps_record or not self.refused:
            self.refused.append(why)

    # What is answered

    def _end(self, now: float) -> None:
        """The utterance is over; told once, and only where somebody listened."""
        if self.state is not State.LISTENING:
            self._refuse("the end of an utterance, while nobody was listening")
            return
        self._turn.ended_at = now
        if self._turn.entry is None:
            self._turn.utterance = self._listening.utterance()
        times = {None: 1, "twice": 2, "never": 0, "late": 0}[self._faults.utterance_end]
        self._acts += [self._script.utterance_end] * times
        self._move(Step.END, now)

    def _reply(self, step: Step, now: float) -> None:
        turn = self._turn
        if turn.entry is not None:
            turn.reply = voice.keyed(turn.entry, PCMU_8K)
        else:
            turn.reply = voice.reply(self._script, turn.number, turn.utterance, PCMU_8K)
        turn.replied_at = now
        self._acts += reply_frames(self._script.prefix, turn.reply, self._faults)
        if self._faults.utterance_end == "late":
            self._acts.append(self._script.utterance_end)
        self._move(step, now)

    def _say(self, audio: bytes) -> None:
        self._acts.append(reply_frame(self._script.prefix, audio))

    # What falls due

    def _move(self, step: Step, now: float) -> None:
        self.state = MOVES[self.state, step]
        self._due.clear()
        match self.state:
            case State.LISTENING:
                if self._script.reprompt is not None:
                    self._due[Timer.REPROMPT] = now + self._script.reprompt_s
                self._arm_close("listening", now)
            case State.ANSWERING:
                if self._faults.reply != "none":
                    given = self._faults.reply_s
                    self._due[Timer.REPLY] = now + (self._script.reply_s if given is None else given)
                self._arm_close("answering", now)
            case State.IDLE:
                self._arm_close("answered", now)

    def _arm_close(self, state: str, now: float) -> None:
        if self._faults.close is not None and self._faults.close_in == state:
            self._due[Timer.CLOSE] = now + self._faults.close_after_s

    def _catch_up(self, now: float) -> None:
        """In the order in which things fell due."""
        while self._due and (at := min(self._due.values())) <= now:
            timer = min(self._due, key=self._due.__getitem__)
            del self._due[timer]
            match timer:
                case Timer.REPLY:
                    self._reply(Step.REPLY, at)
                case Timer.QUIET_WIRE:
                    self._end(at)
                case Timer.REPROMPT:
                    assert self._script.reprompt is not None
                    self._say(voice.recording(self._script.reprompt, PCMU_8K))
                    self._move(Step.SPEAK_UP, at)
                case Timer.CLOSE:
                    assert self._faults.close is not None
                    self._acts.append(Close(self._faults.close))
                    self._due.clear()
                    self._over = True

    def _take(self) -> list[Act]:
        acts, self._acts = self._acts, []
        return acts
