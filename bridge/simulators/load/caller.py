"""One caller of a load test: what is sent and when, and what is heard. It is as light as 300 of them on one core need it.

There is no socket and no clock here: whoever owns them calls `open`, then `frame` every 20 ms and `hear` for each message,
and `finish`. Frames were encoded before, for all calls; what is received is decoded once, by the carrier's simulated
stream. Marks are returned on the 20 ms grid of the caller's own frames. Times are seconds, durations ms.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Literal

from bridge.simulators.carriers.contract import Clear, Mark, Play, Refused, SimulatedStream
from bridge.simulators.load.call_log import CallLog
from bridge.simulators.load.echo import EchoTimer
from bridge.simulators.load.measures import Tally
from bridge.simulators.load.playout import Playout
from bridge.simulators.load.talk import Talk, TurnBegins, TurnEnds
from bridge.simulators.load.turns import TurnTimer
from bridge.simulators.phone.network_disorder import IN_ORDER, Disorder, DisorderedFrames
from bridge.simulators.phone.plan import Digit
from bridge.vocabulary.contracts import WireMessage
from telecodecs.codec import decoder
from telecodecs.format import FRAME_MS
from telecodecs.sound import BLOCK_MS, block_levels, sound_begins

INBOUND = "inbound"

BARGES_IN_AFTER_S = 0.5
"""A caller who interrupts does so when it has heard this much of a reply."""

ECHO_PAUSE_S = 0.1
"""The frames of an echo come one by one, and what was heard of it until then is one piece with what is heard now."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What all callers of a run have in common. `barge_in`: the probability that a reply is interrupted."""

    digits: tuple[Digit, ...] = ()
    barge_in: float = 0.0
    disorder: Disorder = IN_ORDER
    measure: Literal["auto", "echo", "turns"] = "auto"
    late_ms: float = 60.0


class Caller:
    """One call. `payloads`: the frames of `talk` as base64 in the codec of the stream. `number`: of the call, from 1."""

    def __init__(
        self,
        talk: Talk,
        payloads: list[str],
        stream: SimulatedStream,
        behaviour: Behaviour,
        tally: Tally,
        send: Callable[[str], None],
        number: int = 1,
    ) -> None:
        self.stream = stream
        self.began: float | None = None
        """When the first frame was due."""
        self.ended = False
        self.log = CallLog()
        self._talk, self._payloads = talk, payloads
        self._send = send
        self._tally = tally
        self._behaviour = behaviour
        self._chance = random.Random(number)
        self._network = (
            DisorderedFrames(behaviour.disorder, number) if behaviour.disorder != IN_ORDER else None
        )
        self._track = INBOUND if INBOUND in stream.tracks else stream.tracks[0]
        self._others = tuple(track for track in stream.tracks if track != self._track)
        self._silence = stream.line.silence * stream.line.samples_in(stream.line.bytes_in(FRAME_MS))
        self._plays = stream.plays
        self._decode = decoder(stream.plays)
        self._heard_frame = stream.plays.bytes_in(FRAME_MS)
        self.playout = Playout(stream.plays.rate_hz * stream.plays.sample_bytes)
        can_compare = stream.line == stream.plays
        self._latencies_of_all, self._latencies = tally.latencies_ms.append, self.log.latencies_ms.append
        self.echo = EchoTimer(self._timed, behaviour.measure if can_compare else "turns")
        self.turns = TurnTimer(self.playout)
        self._digits = sorted(_digits(behaviour, talk), reverse=True)
        self._sent = 0  # frames
        self._cursor = 0  # the next frame of the talk
        self._interrupts_at = inf
        self._looks_again_at = inf
        self._attends_at = -inf
        self._waits_counted = self._barge_ins_counted = 0

    def open(self) -> None:
        """The stream is open: send the messages before the first frame."""
        for message in self.stream.opening():
            self._send(message)

    def frame(self, due: float, *, congested: bool = False) -> None:
        """A frame is due. `congested`: the server reads too slowly; the frame is discarded."""
        number = self._sent
        self._sent = number + 1
        if self.playout.marks_pending:
            self._return(self.playout.reached(due))
        if due >= self._attends_at:
            self._attend(due)
        at = self._cursor
        self._cursor = at + 1 if at + 1 < len(self._payloads) else 0
        if (edges := self._talk.edges.get(at)) is not None:
            for edge in edges:
                self._edge(edge, due)
        if congested:
            self._discard()
            return
        self._tally.counters.frames_sent += 1
        text = self.stream.media_of(self._track, self._payloads[at], number * FRAME_MS)
        if self._network is None:
            self._send(text)
        elif self._say_in_disorder(text):
            return
        if self._others:
            self._send_others(number * FRAME_MS)
        if self.echo.is_echo is not False:
            self.echo.sent(self._talk.frames[at], due)

    def _attend(self, due: float) -> None:
        """Do what is not done with every frame, and find out when there is something to do again."""
        if self.began is None:
            self.began, self._looks_again_at = due, due + 1.0
        if due >= self._interrupts_at:
            self._barge_in(due)
        while self._digits and self.began + self._digits[-1][0] / 1000 <= due:
            self._press()
        if due >= self._looks_again_at:
            self._look_again(due)
        key_at = self.began + self._digits[-1][0] / 1000 if self._digits else inf
        self._attends_at = min(key_at, self._looks_again_at, self._interrupts_at)

    def _send_others(self, at_ms: int) -> None:
        """What is played to the caller, where the server wants to hear that too: silence."""
        for track in self._others:
            self._send(self.stream.media(track, self._silence, at_ms))

    def _say_in_disorder(self, text: str) -> bool:
        """Send a frame through the network; whether that has lost it."""
        assert self._network is not None
        lost, swapped = self._network.disorder_counts.lost, self._network.disorder_counts.swapped
        for message in self._network.put(self._track, text):
            self._send(message)
        counts, counters = self._network.disorder_counts, self._tally.counters
        counters.network_lost += counts.lost - lost
        counters.network_swapped += counts.swapped - swapped
        return counts.lost > lost

    def hear(self, message: WireMessage, now: float) -> None:
        """A message of the server's came."""
        if self.ended:
            return
        order = self.stream.decode(message, now)
        if type(order) is Play:
            self._play(order.audio, now)
        elif type(order) is Mark:
            if self.playout.mark(order.name, now):
                self._return([order.name])
        elif type(order) is Clear:
            self._clear(now)
        elif type(order) is Refused:
            self._send(order.answer)

    def _play(self, audio: bytes, now: float) -> None:
        echo = self.echo
        start, gap = self.playout.play(len(audio), now, endless=echo.is_echo is True)
        self._tally.counters.pieces += 1
        if gap:
            self._underrun(gap * 1000, start)
        if echo.is_echo is not False:
            echo.came(audio, self._heard_frame, now)
        if echo.is_echo is not True and self.turns.may_answer():
            block = sound_begins(block_levels(self._decode(audio), self._plays.rate_hz))
            if block is not None:
                self._reply_heard(start + block * BLOCK_MS / 1000)

    def _reply_heard(self, at: float) -> None:
        wait_ms = self.turns.reply_heard(at)
        self.log.note(self._at(at), "reply", wait_ms)
        if self._chance.random() < self._behaviour.barge_in:
            self._interrupts_at = at + BARGES_IN_AFTER_S
            self._attends_at = min(self._attends_at, self._interrupts_at)

    def _barge_in(self, due: float) -> None:
        """The caller interrupts what is played, if it is still played: the next frame begins a turn."""
        self._interrupts_at = inf
        if not self.echo.is_echo and self.playout.plays_until > due + BARGES_IN_AFTER_S:
            self._cursor = self._talk.next_turn(self._cursor)

    def _clear(self, now: float) -> None:
        names, dropped = self.playout.clear(now)
        self._return(names)
        self.log.note(self._at(now), "clear", dropped * 1000)
        if (ms := self.turns.silenced(now)) is not None:
            self.log.note(self._at(now), "barge_in", ms)

    def _return(self, names: list[str]) -> None:
        for name in names:
            self._send(self.stream.mark(name))
        self._tally.counters.marks_returned += len(names)

    def _edge(self, edge: TurnBegins | TurnEnds, due: float) -> None:
        """The caller's speech begins or ends in this frame."""
        at = due + edge.offset_ms / 1000
        if isinstance(edge, TurnBegins):
            self.turns.speech_began(at)
            self.log.speech_began(self._at(at))
        else:
            self.turns.speech_ended(at)
            self.log.speech_ended(self._at(at))

    def _press(self) -> None:
        at_ms, key = self._digits.pop()
        self._send(self.stream.digit(key, at_ms))
        self.log.note(at_ms / 1000, "key", text=key)

    def _discard(self) -> None:
        before = len(self.stream.warnings)
        self.stream.audio_discarded()
        del self.stream.warnings[before:]
        self._tally.counters.frames_discarded += 1

    def _timed(self, ms: float) -> None:
        """A frame of an echo took so long."""
        self._latencies_of_all(ms)
        self._latencies(ms)

    def _underrun(self, ms: float, at: float) -> None:
        counters = self._tally.counters
        counters.underruns += 1
        counters.underrun_ms += ms
        counters.calls_with_underruns += self.log.underruns == 0
        self.log.gap(self._at(at), ms)

    def _look_again(self, due: float) -> None:
        self._looks_again_at += 1.0
        self.turns.look_again(due)
        if self.echo.is_echo is False:
            self._count_turns()
        self._take_warnings(due)
        self._end_second()

    def _end_second(self) -> None:
        lost, late = self.log.next_second(self.echo.lost, self._behaviour.late_ms)
        self._tally.counters.frames_lost += lost
        self._tally.counters.frames_late += late

    def _take_warnings(self, now: float) -> None:
        """What the carrier would have refused is counted; the list would grow with the call."""
        warnings = self.stream.warnings
        if warnings:
            self._tally.counters.messages_refused += len(warnings)
            self.log.note(self._at(now), "refused", text=warnings[0].why[:120])
            warnings.clear()

    def _at(self, at: float) -> float:
        return at - self.began if self.began is not None else 0.0

    def finish(self, now: float) -> bool:
        """The call is over. Returns whether it ended within a reply. What was measured is counted now at the latest."""
        self.ended = True
        in_reply = self.playout.is_playing(now - ECHO_PAUSE_S if self.echo.is_echo else now)
        self.log.speech_ended(self._at(now))  # a caller who was speaking
        counters = self._tally.counters
        self.echo.finish(now, self._behaviour.late_ms)
        self.playout.cut(now)
        counters.heard_s += self.playout.heard_s
        counters.marks_never_played += len(self.playout.marks_pending)
        if not self.echo.is_echo:
            self.turns.finish()
            self._count_turns()
        self._take_warnings(now)
        self._end_second()
        counters.call_seconds += self._at(now)
        return in_reply

    def _count_turns(self) -> None:
        """Count what has happened since the last time. This waits until it is known that the server is not an echo."""
        turns, counters = self.turns, self._tally.counters
        for ms in turns.waits_ms[self._waits_counted :]:
            self._tally.turn_wait.add(ms)
        for ms in turns.barge_ins_ms[self._barge_ins_counted :]:
            self._tally.barge_in.add(ms)
        counters.turns += len(turns.waits_ms) - self._waits_counted
        counters.barge_ins += len(turns.barge_ins_ms) - self._barge_ins_counted
        self._waits_counted, self._barge_ins_counted = len(turns.waits_ms), len(turns.barge_ins_ms)
        counters.turns_unanswered += turns.unanswered
        counters.barge_ins_ignored += turns.ignored
        turns.unanswered = turns.ignored = 0

    @property
    def closing(self) -> str:
        """The last message of the stream."""
        return self.stream.closing()


def _digits(behaviour: Behaviour, talk: Talk) -> list[tuple[int, str]]:
    """The keys of the plan, else those of the recording."""
    return [(digit.at_ms, digit.digit) for digit in behaviour.digits] or [*talk.digits]
