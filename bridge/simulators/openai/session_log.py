"""Writes what the clients of the simulated OpenAI server sent and got, one JSON object a line, and what it heard as WAV.

    {"at_ms": 0.0, "kind": "begin", "clock_ms": 81234567.8}
    {"at_ms": 102.3, "kind": "session", "session": 1, "event": "opened", "model": "gpt-realtime"}
    {"at_ms": 103.1, "kind": "client", "session": 1, "event": {"type": "session.update", ...}}
    {"at_ms": 150.0, "kind": "server", "session": 1, "event": {"type": "response.created", ...}}
    {"at_ms": 1103.1, "kind": "audio", "session": 1, "ms": 1000, "level_dbfs": -21.4}
    {"at_ms": 9120.0, "kind": "session", "session": 1, "event": "closed", "code": 1000, "heard": "...", "heard_ms": 7800}

`clock_ms` is the machine's monotonic clock, which other logs have too. A line `audio` sums up each second of audio that
was appended, and what was left at the end; without audio there is none. The WAV of a session begins with its opening:
audio is where it came, and silence where none came. Deltas of audio and transcripts are left out.
"""

import time
from collections.abc import Callable
from math import log10
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bridge.config.audio_file import write_wav
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.codec import decoder
from telecodecs.format import AudioFormat, Encoding, Samples
from telecodecs.resample import resample

SUMMED_MS = 1_000
"""How much audio one line sums up."""

QUIETEST_DBFS = -96.0

_write = msgspec.json.Encoder().encode


class _HeardAudio:
    """The audio of one session, on a time line that begins with its opening. `opened`: seconds."""

    def __init__(self, opened: float) -> None:
        self.rate_hz = 0
        self.cut = b""
        """The beginning of a sample, whose end has not come."""
        self._opened = opened
        self._pieces: list[Samples] = []
        self._length = 0
        self._summed: list[Samples] = []

    def append(self, samples: Samples, rate_hz: int, now: float) -> list[tuple[int, float]]:
        """Append what came. Returns the length, ms, and the level, dBFS, of each stretch that is complete by it."""
        self.rate_hz = self.rate_hz or rate_hz
        samples = resample(samples, rate_hz, self.rate_hz)
        pause = round((now - self._opened) * self.rate_hz) - len(samples) - self._length
        if pause > 0:
            self._put(np.zeros(pause, np.int16))
        self._put(samples)
        self._summed.append(samples)
        return [self.sum_up()] if self._summed_ms() >= SUMMED_MS else []

    def sum_up(self) -> tuple[int, float]:
        """The length, ms, and the level, dBFS, of what is not summed up yet."""
        ms, samples = self._summed_ms(), np.concatenate([np.zeros(0, np.int16), *self._summed])
        self._summed = []
        power = float(np.mean(samples.astype(np.float64) ** 2)) if len(samples) else 0.0
        level = 20 * log10(power**0.5 / 32_768) if power else QUIETEST_DBFS
        return ms, round(max(level, QUIETEST_DBFS), 1)

    def recording(self) -> Samples:
        return np.concatenate([np.zeros(0, np.int16), *self._pieces])

    def _put(self, samples: Samples) -> None:
        self._pieces.append(samples)
        self._length += len(samples)

    def _summed_ms(self) -> int:
        return sum(len(piece) for piece in self._summed) * 1_000 // max(self.rate_hz, 1)


class SessionLog:
    """The log of one server. `path`: of the file; recordings are beside it, in a folder with `.heard` behind its name.

    Raises `ConfigurationError` if they cannot be written. `clock`: seconds.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = path.with_name(f"{path.name}.heard")
        self._clock = clock
        self._began = clock()
        self._heard: dict[int, _HeardAudio] = {}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise ConfigurationError(f"--log {path}: cannot write the file: {error.strerror}") from error
        self._note("begin", clock_ms=round(self._began * 1_000, 1))

    def opened(self, session: int, model: str) -> None:
        """A client has connected."""
        self._heard[session] = _HeardAudio(self._clock())
        self._note("session", session=session, event="opened", model=model)

    def sent(self, session: int, event: dict[str, Any]) -> None:
        """The client sent an event, which appends no audio."""
        self._note("client", session=session, event=event)

    def got(self, session: int, message: str) -> None:
        """The client got a message."""
        event = msgspec.json.decode(message)
        if not str(event.get("type", "")).endswith(".delta"):
            self._note("server", session=session, event=event)

    def heard(self, session: int, audio: bytes, format: AudioFormat) -> None:
        """The client appended audio; a sample may be cut."""
        heard = self._heard.get(session)
        if heard is None:
            return
        audio = heard.cut + audio
        whole = len(audio) - len(audio) % format.sample_bytes
        heard.cut = audio[whole:]
        samples = decoder(format)(audio[:whole])
        for ms, level in heard.append(samples, format.rate_hz, self._clock()):
            self._note("audio", session=session, ms=ms, level_dbfs=level)

    def closed(self, session: int, code: int) -> None:
        """The connection is closed: write what was heard."""
        heard = self._heard.pop(session, None)
        if heard is None:
            return
        ms, level = heard.sum_up()
        if ms:
            self._note("audio", session=session, ms=ms, level_dbfs=level)
        about: dict[str, Any] = {"code": code}
        if heard.rate_hz:
            samples = heard.recording()
            path = self._folder / f"session-{session}.wav"
            write_wav(path, samples.tobytes(), AudioFormat(Encoding.L16, heard.rate_hz))
            about |= {"heard": str(path), "heard_ms": len(samples) * 1_000 // heard.rate_hz}
        self._note("session", session=session, event="closed", **about)

    def close(self) -> None:
        """Close the file; sessions that are still open are closed first, with the code 1006."""
        for session in [*self._heard]:
            self.closed(session, 1006)
        self._file.close()

    def _note(self, kind: str, **fields: Any) -> None:
        at_ms = round((self._clock() - self._began) * 1_000, 1)
        self._file.write(_write({"at_ms": at_ms, "kind": kind, **fields}) + b"\n")
