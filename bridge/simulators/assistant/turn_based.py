"""The simulated assistant's side of one WebSocket of the turn-based protocol:

           RESTART             end of utterance             reply
    idle ────────────▶ listening ────────────▶ answering ────────────▶ idle
                           └──────── reply without an end ─────────────▶ idle

    RESTART may come in any state: drop what was heard and the reply that is being prepared, and listen.

From the client: RESTART_COMMUNICATION, and base64 of mu-law at 8 kHz. To the client: SINGLE_UTTERANCE_END once, then
`_MULAW` followed by base64 of the whole reply. All messages are text and are compared exactly. There is no socket and
no clock here: call `begin`, then `hear` for each message and `due` no later than `deadline`; all three return the
actions for the socket, in order. `now` is seconds.
"""

from binascii import a2b_base64
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from bridge.simulators.assistant import voice
from bridge.simulators.assistant.frames import reply_frame, reply_frames
from bridge.simulators.assistant.script import AssistantScript
from bridge.simulators.assistant.utterance_listener import UtteranceListener
from bridge.vocabulary.contracts import WireMessage
from telecodecs.dtmf import TONES_HZ
from telecodecs.format import PCMU_8K

QUIET_WIRE_S = 1.0
"""A client that has sent speech and then sends no audio for this time has found the end of the utterance itself."""


class Close(NamedTuple):
    """Close the connection. `code`: of the WebSocket; 1006: break it without a close frame."""

    code: int


Action = WireMessage | Close
"""An action for the socket: a message to send, or a close."""


class TurnState(StrEnum):
    """The state of a turn."""

    IDLE = "idle"
    LISTENING = "listening"
    ANSWERING = "answering"


class Step(StrEnum):
    """What changes the state of a turn."""

    RESTART = "the client begins a turn"
    END = "the utterance is over"
    REPLY = "the reply is sent"
    SPEAK_UP = "something is said although no utterance has ended"


MOVES = {
    (TurnState.IDLE, Step.RESTART): TurnState.LISTENING,
    (TurnState.LISTENING, Step.RESTART): TurnState.LISTENING,
    (TurnState.ANSWERING, Step.RESTART): TurnState.LISTENING,
    (TurnState.LISTENING, Step.END): TurnState.ANSWERING,
    (TurnState.ANSWERING, Step.REPLY): TurnState.IDLE,
    (TurnState.LISTENING, Step.SPEAK_UP): TurnState.IDLE,
}


class Timer(StrEnum):
    """What can fall due, and why."""

    REPLY = "the reply is ready"
    QUIET_WIRE = "the client sends no more audio"
    REPROMPT = "nobody has spoken for a while"
    CLOSE = "the script wants the connection closed"


@dataclass
class Turn:
    """One utterance and its reply, for tests. Times are those given to `hear` and `due`; audio is mu-law at 8 kHz."""

    number: int
    began_at: float
    restarts: int = 1
    """How many RESTARTs came before anything was said in the turn."""
    frames: int = 0
    """Frames of audio that came while listening."""
    late_frames: int = 0
    """Frames of audio that came after the end of the utterance."""
    utterance: bytes = b""
    entry: str | None = None
    """Keys typed instead of an utterance."""
    ended_at: float | None = None
    reply: bytes = b""
    replied_at: float | None = None

    @property
    def is_used(self) -> bool:
        """Whether either side has said something, so that the next RESTART begins another turn."""
        return self.ended_at is not None or self.replied_at is not None


class TurnBasedConversation:
    """One connection. `number`: from 1. Without `keeps_record` only the last turn is kept."""

    def __init__(self, script: AssistantScript, *, number: int = 1, keeps_record: bool = True) -> None:
        self.state = TurnState.IDLE
        self.turns: list[Turn] = []
        self.entries: list[str] = []
        """All entries from the keypad, answered or not."""
        self.early_frames = 0
        """Frames of audio that came before the first RESTART."""
        self.refused: list[str] = []
        """Why messages were refused; the messages are not quoted."""
        self._script = script
        self._number = number
        self._keeps_record = keeps_record
        self._faults = script.faults_of(number, 0)
        self._turn = Turn(0, 0.0)
        self._listener = UtteranceListener(script.silence_ms)
        self._due: dict[Timer, float] = {}
        self._actions: list[Action] = []
        self._over = False

    def begin(self, now: float) -> list[Action]:
        """The connection is open."""
        if self._script.greeting is not None:
            self._say(voice.recording(self._script.greeting, PCMU_8K))
        self._arm_close("idle", now)
        return self.due(now)

    def deadline(self) -> float | None:
        """When `due` is to be called at the latest; None if nothing is awaited."""
        return min(self._due.values(), default=None)

    def due(self, now: float) -> list[Action]:
        """The actions due by `now`."""
        self._catch_up(now)
        return self._take()

    def hear(self, message: WireMessage, now: float) -> list[Action]:
        """A message came. Actions due before it come first."""
        self._catch_up(now)
        if self._over:
            pass
        elif isinstance(message, bytes):
            self._refuse("a binary message; expected text")
        elif message == self._script.restart:
            self._restart(now)
        elif message == self._script.utterance_end:
            self._end(now)
        elif message.startswith(self._script.entry_prefix):
            self._enter(message.removeprefix(self._script.entry_prefix), now)
        else:
            self._hear_frame(message, now)
        return self._take()

    # Messages of the client

    def _restart(self, now: float) -> None:
        if self._turn.number and not self._turn.is_used:
            self._turn.restarts += 1
        else:
            if not self._keeps_record:
                self.turns.clear()
            self._turn = Turn(self._turn.number + 1, now)
            self.turns.append(self._turn)
        self._faults = self._script.faults_of(self._number, self._turn.number)
        self._listener = UtteranceListener(self._script.silence_ms)
        self._move(Step.RESTART, now)

    def _hear_frame(self, message: str, now: float) -> None:
        try:
            audio = a2b_base64(message, strict_mode=True)
        except ValueError:
            audio = b""
        if not audio:
            self._refuse("text that is neither a message of the protocol nor base64")
        elif self.state is TurnState.LISTENING:
            self._turn.frames += 1
            self._listen(audio, now)
        elif self._turn.number:
            self._turn.late_frames += 1
        else:
            self.early_frames += 1

    def _listen(self, audio: bytes, now: float) -> None:
        over = self._listener.append(audio)
        if self._listener.has_speech:
            self._due.pop(Timer.REPROMPT, None)
            self._due[Timer.QUIET_WIRE] = now + QUIET_WIRE_S
        if over:
            self._end(now)
        elif self._listener.has_speech and self._faults.reply == "early":
            self._turn.utterance = self._listener.utterance()
            self._reply(Step.SPEAK_UP, now)

    def _enter(self, digits: str, now: float) -> None:
        if not set(digits) <= TONES_HZ.keys():
            self._refuse("an entry with other characters than keys; expected 0-9, *, # and A-D")
            return
        if self._keeps_record:
            self.entries.append(digits)
        if self.state is TurnState.LISTENING:
            self._turn.entry = digits
            self._end(now)

    def _refuse(self, why: str) -> None:
        if self._keeps_record or not self.refused:
            self.refused.append(why)

    # Replies

    def _end(self, now: float) -> None:
        """The utterance is over. This is sent once, and only while listening."""
        if self.state is not TurnState.LISTENING:
            self._refuse("the end of an utterance while not listening")
            return
        self._turn.ended_at = now
        if self._turn.entry is None:
            self._turn.utterance = self._listener.utterance()
        times = {None: 1, "twice": 2, "never": 0, "late": 0}[self._faults.utterance_end]
        self._actions += [self._script.utterance_end] * times
        self._move(Step.END, now)

    def _reply(self, step: Step, now: float) -> None:
        turn = self._turn
        if turn.entry is not None:
            turn.reply = voice.keyed(turn.entry, PCMU_8K)
        else:
            turn.reply = voice.reply(self._script, turn.number, turn.utterance, PCMU_8K)
        turn.replied_at = now
        self._actions += reply_frames(self._script.prefix, turn.reply, self._faults)
        if self._faults.utterance_end == "late":
            self._actions.append(self._script.utterance_end)
        self._move(step, now)

    def _say(self, audio: bytes) -> None:
        self._actions.append(reply_frame(self._script.prefix, audio))

    # States and deadlines

    def _move(self, step: Step, now: float) -> None:
        self.state = MOVES[self.state, step]
        self._due.clear()
        match self.state:
            case TurnState.LISTENING:
                if self._script.reprompt is not None:
                    self._due[Timer.REPROMPT] = now + self._script.reprompt_s
                self._arm_close("listening", now)
            case TurnState.ANSWERING:
                if self._faults.reply != "none":
                    given = self._faults.reply_s
                    self._due[Timer.REPLY] = now + (self._script.reply_s if given is None else given)
                self._arm_close("answering", now)
            case TurnState.IDLE:
                self._arm_close("answered", now)

    def _arm_close(self, state: str, now: float) -> None:
        if self._faults.close is not None and self._faults.close_in == state:
            self._due[Timer.CLOSE] = now + self._faults.close_after_s

    def _catch_up(self, now: float) -> None:
        """Do what is due by `now`, in the order of the deadlines."""
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
                    self._actions.append(Close(self._faults.close))
                    self._due.clear()
                    self._over = True

    def _take(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions
