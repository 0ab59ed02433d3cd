"""The input audio buffer of a session, with the detection of utterances (server-side VAD).

Times are milliseconds of audio appended since the session began, in whatever format it came.
"""

from dataclasses import dataclass

from telecodecs.codec import decoder
from telecodecs.format import AudioFormat
from telecodecs.resample import Resampler
from telecodecs.speech import SpeechDetector, SpeechStarted

VAD_HZ = 8_000


@dataclass(frozen=True, slots=True)
class UtteranceStarted:
    """Somebody speaks since `at_ms`."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class UtteranceEnded:
    """The utterance is over. `at_ms`: where that was noticed, after the silence that ends it."""

    at_ms: int


class InputAudioBuffer:
    """The buffer of one session. `configure` is to be called first."""

    def __init__(self) -> None:
        self.speaking = False
        self._format: AudioFormat
        self._silence_ms: int | None = None
        self._detector: SpeechDetector | None = None
        self._appended_ms = 0.0
        self._detector_from_ms = 0.0
        self._since_ms = 0.0
        self._cut = b""

    @property
    def appended_ms(self) -> int:
        return int(self._appended_ms)

    @property
    def buffered_ms(self) -> float:
        """How much audio was appended since the last commit or clear."""
        return self._appended_ms - self._since_ms

    def configure(self, format: AudioFormat, silence_ms: int | None) -> None:
        """Set the format of the audio, and how much silence ends an utterance; None detects no utterances.

        If either changes, an utterance that has begun is dropped.
        """
        if hasattr(self, "_format") and (format, silence_ms) == (self._format, self._silence_ms):
            return
        self._format = format
        self._silence_ms = silence_ms
        self._decode = decoder(format)
        self._resampler = Resampler(format.rate_hz, VAD_HZ)
        self._cut = b""
        self._restart_detector()

    def append(self, audio: bytes) -> list[UtteranceStarted | UtteranceEnded]:
        """Append audio; returns the utterances that start and end in it."""
        if self._cut:
            audio = self._cut + audio
        whole = len(audio) - len(audio) % self._format.sample_bytes
        audio, self._cut = audio[:whole], audio[whole:]
        self._appended_ms += self._format.duration_ms(len(audio))
        if self._detector is None:
            return []
        noticed: list[UtteranceStarted | UtteranceEnded] = []
        for happened in self._detector.feed(self._resampler.feed(self._decode(audio))):
            self.speaking = isinstance(happened, SpeechStarted)
            if self.speaking:
                noticed.append(
                    UtteranceStarted(int(self._detector_from_ms + happened.at_sample * 1000 / VAD_HZ))
                )
            else:
                noticed.append(UtteranceEnded(self.appended_ms))
        return noticed

    def take(self) -> float:
        """Empty the buffer and return its length. An utterance that has begun is dropped."""
        taken = self.buffered_ms
        self._since_ms = self._appended_ms
        if self.speaking:
            self._restart_detector()
        return taken

    def _restart_detector(self) -> None:
        self.speaking = False
        self._detector_from_ms = self._appended_ms
        self._detector = None
        if self._silence_ms is not None:
            self._detector = SpeechDetector(rate_hz=VAD_HZ, silence_ms=max(20, self._silence_ms))
