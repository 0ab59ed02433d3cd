"""The port by which a media stream takes part in a mix: the server's audio comes out of it, a party's goes into it.

Messages of the server fill the carrier's playout buffer, of which each frame is a source of the mix; each frame of the
party becomes a message. There is no socket and no clock here. `now` is seconds; frames count from the begin of the call.
"""

from typing import NamedTuple

import numpy as np

from bridge.simulators.carriers.contract import Clear, Mark, Play, Refused, SimulatedStream
from bridge.simulators.phone.earpiece import Earpiece
from bridge.simulators.phone.latency import Arrival
from bridge.simulators.phone.network_disorder import IN_ORDER, Disorder, DisorderCounts, DisorderedFrames
from bridge.vocabulary.contracts import WireMessage
from telecodecs.codec import decoder, encoder
from telecodecs.format import FRAME_MS, Samples
from telecodecs.resample import Resampler


class PortReport(NamedTuple):
    """What came through a port. Times are seconds from the begin of the call."""

    stream: SimulatedStream
    received: tuple[Arrival, ...]
    earpiece: Earpiece


class StreamPort:
    """One stream. `rate_hz`: of the mix. `started`: when the call began, seconds; `frame`: the stream's first one."""

    def __init__(
        self,
        stream: SimulatedStream,
        rate_hz: int,
        started: float,
        frame: int,
        disorder: Disorder = IN_ORDER,
    ) -> None:
        self.stream = stream
        self.earpiece = Earpiece(stream.plays, started)
        self._started = started
        self._first = frame
        self._frame_samples = rate_hz * FRAME_MS // 1000
        self._decode = decoder(stream.plays)
        self._encode = {track: encoder(stream.line) for track in stream.tracks}
        self._to_mix = _Rates(stream.plays.rate_hz, rate_hz)
        self._to_line = {track: _Rates(rate_hz, stream.line.rate_hz) for track in stream.tracks}
        self._network = DisorderedFrames(disorder)
        self._received: list[Arrival] = []

    def opening(self) -> list[str]:
        """The messages before the first audio."""
        return self.stream.opening()

    def receive(self, message: WireMessage, now: float) -> list[str]:
        """A message of the server's came. Returns the marks that are due by it, or the carrier's refusal."""
        names: list[str] = []
        match self.stream.decode(message, now):
            case Play(audio):
                self._received.append((now - self._started, audio))
                self.earpiece.play(audio, now)
            case Mark(name):
                names = self.earpiece.mark(name, now)
            case Clear():
                names = self.earpiece.clear(now)
            case Refused(answer):
                return [answer]
            case None:
                pass
        return [self.stream.mark(name) for name in names]

    def advance(self, frame: int) -> list[str]:
        """Play up to the end of this frame. Returns the marks that are reached."""
        names = self.earpiece.advance(self._started + (frame + 1) * FRAME_MS / 1000)
        return [self.stream.mark(name) for name in names]

    def speak(self, frame: int) -> Samples:
        """What the server says in this frame, to be called after `advance`."""
        per_frame = self.stream.plays.rate_hz * FRAME_MS // 1000
        audio = self.earpiece.between(frame * per_frame, (frame + 1) * per_frame)
        return self._to_mix.take(self._decode(audio), self._frame_samples)

    def hear(self, frames: dict[str, Samples], frame: int) -> list[str]:
        """The messages with one frame of each of the stream's tracks."""
        messages: list[str] = []
        at_ms = (frame - self._first) * FRAME_MS
        for track in self.stream.tracks:
            line = self.stream.line
            samples = self._to_line[track].take(frames[track], line.rate_hz * FRAME_MS // 1000)
            messages += self._network.put(
                track, self.stream.media(track, self._encode[track](samples), at_ms)
            )
        return messages

    def key(self, digit: str, frame: int) -> list[str]:
        """The message that a key was pressed; none on a stream that only listens."""
        return [] if self.stream.one_way else [self.stream.digit(digit, frame * FRAME_MS)]

    def closing(self) -> list[str]:
        """The last messages."""
        return [*self._network.flush(), self.stream.closing()]

    @property
    def disorder_counts(self) -> DisorderCounts:
        """What the network did to the party's frames."""
        return self._network.disorder_counts

    def report(self) -> PortReport:
        """What came through the port."""
        return PortReport(self.stream, tuple(self._received), self.earpiece)


class _Rates:
    """Brings frames from one rate to another; equal rates pass untouched. The filter's delay begins with silence."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._resampler = None if from_hz == to_hz else Resampler(from_hz, to_hz)
        self._waiting = np.zeros(0, np.int16)

    def take(self, samples: Samples, wanted: int) -> Samples:
        """Put a frame in and take `wanted` samples out."""
        if self._resampler is None:
            return samples
        self._waiting = np.concatenate([self._waiting, self._resampler.feed(samples)])
        missing = wanted - len(self._waiting)
        if missing > 0:
            self._waiting = np.concatenate([np.zeros(missing, np.int16), self._waiting])
        taken, self._waiting = self._waiting[:wanted], self._waiting[wanted:]
        return taken
