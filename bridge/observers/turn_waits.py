"""How long the caller waited for each reply, voice to voice: the one place where that is computed.

A wait begins where the caller's speech ends in the audio, or with the last key of an entry. It ends when the caller hears
the first sound of the reply: tools that run meanwhile are part of it, and words such as "one moment please" are a reply.
Its parts are the fields of `contracts.Turn`. What is not known is left out.

The end of speech is the last sound before the assistant or turn detection says that the caller has stopped. When the
first sound is heard, the mark behind it says: that comes back as much later than it would on a line without delay as the
sound was heard later. A clear in between throws that away, and nobody knows. In a room with a person no wait is known: the
turn may be the person's, and so may be the next sound that the caller hears. No clock: `now` is seconds.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Any, Protocol, runtime_checkable

from bridge.observers.caller_sound import CallerSound
from bridge.vocabulary.commands import ClearPlayback, EnterDigits, PlayAudio, SendMark, TypeDigit
from bridge.vocabulary.contracts import Turn
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.events import (
    CallStarted,
    DigitPressed,
    MarkReached,
    SpeechStarted,
    SpeechStopped,
    Word,
)
from bridge.vocabulary.people import EndHandover
from bridge.vocabulary.room import LeaveRoom, Member, SetRole
from telecodecs.codec import decoder
from telecodecs.format import PCMU_8K
from telecodecs.sound import block_levels, block_samples, sound_begins

NOTICED_LATE_S = 2.0
"""Speech that ended longer than this before its beginning was noticed is that of an earlier utterance."""

MOST_TURNS = 2_000
"""The turns that are kept, the latest: hours of talk."""

MOST_MARKS = 100
"""The marks that are waited for; older ones are forgotten."""


@dataclass(slots=True)
class _Wait:
    """A turn of the caller: when each step was reached. `since`: the end of the speech, None if that is not known."""

    number: int
    since: float | None
    noticed: float
    replied: float | None = None
    sent: float | None = None
    heard: float | None = None
    is_over: bool = False


@runtime_checkable
class TurnWatcher(Protocol):
    """Whoever is told of the turns of a call while it lasts: an observer that has these methods is."""

    def turn_began(self, number: int, since: float | None, now: float) -> None:
        """The caller's utterance ended at `since`, None if that is not known; it was noticed now. Numbers count from 1."""
        ...

    def reply_began(self, item: str, now: float) -> None:
        """The first audio of an item came from the assistant."""
        ...

    def turn_over(self, number: int, turn: Turn, now: float) -> None:
        """No further step of this turn will be known; a later turn may be over before it."""
        ...


class TurnWaits:
    """The waits of one call. `SEEN` has what it sees; `reply_began` is told of the first audio of each item.

    `watchers` are told of each turn.
    """

    def __init__(self, caller: CallerSound) -> None:
        self._caller = caller
        self.watchers: Sequence[TurnWatcher] = ()
        self._turns: deque[_Wait] = deque(maxlen=MOST_TURNS)
        self.count = 0
        """The number of turns so far; `turns` has the latest of them."""
        self._spoke_at = -inf  # the caller began to speak
        self._is_with_person = False  # in a room
        self._pressed_at: float | None = None  # the last key of an entry that is not complete
        self._plays, self._bytes_per_s = PCMU_8K, 8000
        self._played_at = 0.0  # all that was sent is played by then, on a line without delay
        self._waiting: _Wait | None = None  # for the assistant's audio
        self._replied: _Wait | None = None  # then for the first sound in what is sent
        self._sounded: tuple[_Wait, float] | None = None  # then for the mark behind it to be sent
        self._marked: dict[
            str, tuple[_Wait, float, float]
        ] = {}  # then for that mark to return; by the mark's name

    @property
    def sees(self) -> Mapping[type[Word], Callable[["TurnWaits", Any, float], None]]:
        """What sees each type of word; see `core.engine.SeesWords`."""
        return SEEN

    def saw(self, word: Word, now: float) -> None:
        """Take note of a word that is in `SEEN`; others change nothing."""
        if (see := SEEN.get(type(word))) is not None:
            see(self, word, now)

    @property
    def turns(self) -> list[Turn]:
        """The waits so far, the latest `MOST_TURNS` of them."""
        return [_turn(wait) for wait in self._turns]

    @property
    def last_ms(self) -> int | None:
        """The wait of the last turn of which it is known."""
        for wait in reversed(self._turns):
            if wait.since is not None and wait.heard is not None:
                return round((wait.heard - wait.since) * 1000)
        return None

    def finish(self, now: float) -> None:
        """The call is over, and with it each turn."""
        for wait in self._turns:
            self._over(wait, now)

    def _over(self, wait: _Wait | None, now: float) -> None:
        if wait is None or wait.is_over:
            return
        wait.is_over = True
        if self.watchers:
            turn = _turn(wait)
            for watcher in self.watchers:
                watcher.turn_over(wait.number, turn, now)

    # The caller

    def _start(self, word: CallStarted, _now: float) -> None:
        self._plays = word.plays or word.line
        self._bytes_per_s = self._plays.bytes_in(1000)

    def _speech_started(self, _word: SpeechStarted, now: float) -> None:
        self._spoke_at = now
        self._over(self._waiting, now)
        self._waiting = None
        if self._replied is not None and self._replied.sent is None:  # it will not be sent
            self._over(self._replied, now)
            self._replied = None

    def _speech_stopped(self, _word: SpeechStopped, now: float) -> None:
        ended_at = self._caller.ended_at()
        before = self._turns[-1].noticed if self._turns else -inf
        is_known = ended_at is not None and max(before, self._spoke_at - NOTICED_LATE_S) < ended_at
        self._begin(ended_at if is_known else None, now)

    def _press(self, _word: DigitPressed | TypeDigit, now: float) -> None:
        self._pressed_at = now

    def entered(self, _word: EnterDigits, now: float, *, is_turn: bool) -> None:
        """An entry is complete. `is_turn`: the assistant takes it for an utterance."""
        since, self._pressed_at = self._pressed_at, None
        if is_turn:
            self._begin(since, now)

    def _begin(self, since: float | None, now: float) -> None:
        self._over(self._waiting, now)
        if len(self._turns) == MOST_TURNS:
            self._over(self._turns[0], now)
        self.count += 1
        self._waiting = _Wait(self.count, None if since is None else min(since, now), now)
        self._turns.append(self._waiting)
        for watcher in self.watchers:
            watcher.turn_began(self.count, self._waiting.since, now)
        if self._is_with_person:
            self._over(self._waiting, now)
            self._waiting = None

    # A room

    def _placed(self, word: SetRole, now: float) -> None:
        if word.member is Member.PERSON:
            self._is_with_person = True
            self._forget(now)

    def _person_left(self, word: LeaveRoom | EndHandover, _now: float) -> None:
        if isinstance(word, EndHandover) or word.member is Member.PERSON:
            self._is_with_person = False

    def _forget(self, now: float) -> None:
        """What is not heard by now is not measured any more."""
        for wait in (self._waiting, self._replied, self._sounded and self._sounded[0]):
            self._over(wait, now)
        self._waiting = self._replied = self._sounded = None

    # The reply

    def reply_began(self, item: str, now: float) -> None:
        """The first audio of an item came from the assistant."""
        if self._waiting is not None:
            self._waiting.replied = now
            self._over(self._replied, now)
            self._replied, self._waiting = self._waiting, None
        for watcher in self.watchers:
            watcher.reply_began(item, now)

    def _play(self, word: PlayAudio, now: float) -> None:
        self._played_at = max(self._played_at, now)
        if self._replied is not None:
            self._seek_sound(self._replied, word.audio, now)
        self._played_at += len(word.audio) / self._bytes_per_s

    def _seek_sound(self, wait: _Wait, audio: bytes, now: float) -> None:
        wait.sent = now if wait.sent is None else wait.sent
        if self._plays.channels > 1:
            return
        rate_hz = self._plays.rate_hz
        block = sound_begins(block_levels(decoder(self._plays)(audio), rate_hz))
        if block is not None:
            self._replied = None
            self._sounded = (wait, self._played_at + block * block_samples(rate_hz) / rate_hz)

    def _mark(self, word: SendMark, now: float) -> None:
        if self._sounded is not None:
            self._marked[word.name] = (*self._sounded, self._played_at)
            if len(self._marked) > MOST_MARKS:
                self._over(self._marked.pop(next(iter(self._marked)))[0], now)
            self._sounded = None

    def _mark_reached(self, word: MarkReached, now: float) -> None:
        if (marked := self._marked.pop(word.name, None)) is not None:
            wait, sound_at, mark_at = marked
            wait.heard = max(sound_at + now - mark_at, wait.sent or sound_at)
            self._over(wait, now)

    def _clear(self, _word: ClearPlayback, now: float) -> None:
        """Audio that no mark has proved to be heard by now: nobody knows when it was, or whether."""
        self._played_at = now
        if (
            self._replied is not None and self._replied.sent is not None
        ):  # else the reply cuts the waiting signal
            self._over(self._replied, now)
            self._replied = None
        if self._sounded is not None:
            self._over(self._sounded[0], now)
        for marked in self._marked.values():
            self._over(marked[0], now)
        self._sounded = None
        self._marked.clear()


SEEN: Mapping[type[Word], Callable[[TurnWaits, Any, float], None]] = dict(
    [
        on(CallStarted, TurnWaits._start),
        on(SpeechStarted, TurnWaits._speech_started),
        on(SpeechStopped, TurnWaits._speech_stopped),
        on(DigitPressed, TurnWaits._press),
        on(TypeDigit, TurnWaits._press),
        on(PlayAudio, TurnWaits._play),
        on(SendMark, TurnWaits._mark),
        on(MarkReached, TurnWaits._mark_reached),
        on(ClearPlayback, TurnWaits._clear),
        on(SetRole, TurnWaits._placed),
        on(LeaveRoom, TurnWaits._person_left),
        on(EndHandover, TurnWaits._person_left),
    ]
)
"""What each word does to the waits."""


def _turn(wait: _Wait) -> Turn:
    """Whole milliseconds from the beginning on, so that the parts add up to the wait."""
    steps = (wait.since, wait.noticed, wait.replied, wait.sent, wait.heard)
    begin = next(at for at in steps if at is not None)
    ms = [None if at is None else round((at - begin) * 1000) for at in steps]
    parts = [_between(*step) for step in pairwise(ms)]
    return Turn(None if wait.since is None else ms[-1], *parts)


def _between(from_ms: int | None, to_ms: int | None) -> int | None:
    return None if from_ms is None or to_ms is None else to_ms - from_ms
