"""A line to an imagined turn-based assistant: what it says and what it is told are written in shorthand.

over a WebSocket   it says    end | reply 500 (ms of audio) | anything else as it stands
                   is told    restart | 20 (ms of audio; many frames in a row are added up) | anything else as it stands
over HTTP          it says    a Posted | reply 500 (a WAV) | 204
                   is told    post 1 audio/wav 500 (turn, content type, ms of audio) | post 2 {"digits":…}
we say             sound reply-1 500 for a ReplyAudio of so many ms; all else as it is
"""

import base64
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge.assistants.turn_based.dialect import TurnBasedDialect
from bridge.assistants.turn_based.settings import TurnBasedSettings
from bridge.config.audio_file import read_wav
from bridge.settings.assistants import UPGRADED
from bridge.vocabulary.commands import AppendAudio, AssistantCommand, OpenAssistant
from bridge.vocabulary.contracts import (
    AssistantOutcome,
    LegMessage,
    Post,
    PostDelayed,
    Posted,
    ToolSchema,
    WireMessage,
)
from bridge.vocabulary.events import AssistantEvent, AssistantReady, ReplyAudio, Word
from telecodecs.codec import decoder, encoder
from telecodecs.format import PCMU_8K, AudioFormat
from telecodecs.resample import resample
from telecodecs.wav import wav_decode, wav_encode

Outcome = AssistantEvent | str
Came = AssistantCommand | str | bytes | Posted | PostDelayed | None
Row = tuple[float, Came, list[Outcome]]
"""When, what came (None: nothing), what we do."""

FRAME_S = 0.02
WORDS = {"restart": "RESTART_COMMUNICATION", "end": "SINGLE_UTTERANCE_END"}
SHORTHAND = {word: short for short, word in WORDS.items()}
FIXTURES = Path(__file__).parents[3] / "fixtures"


class TurnBasedLine:
    """One conversation, and its clock."""

    def __init__(
        self, url: str = "ws://assistant", tools: Sequence[ToolSchema] = (), **settings: Any
    ) -> None:
        self.settings = TurnBasedSettings.model_validate({"url": url, **settings})
        self.dialect = TurnBasedDialect(self.settings, tools)
        self.now = 0.0
        self.hears = self.dialect._transport.hears
        self.speaks = PCMU_8K
        self.posts: list[Post] = []

    def open(self, line: AudioFormat = PCMU_8K, **command: Any) -> list[Any]:
        if self.settings.is_posted:
            self.speaks = line
        return self.tell(OpenAssistant("CA1", line, **command))

    def tell(self, command: AssistantCommand) -> list[Any]:
        told: list[Any] = self._shown(self.dialect.encode(command, self.now))
        if isinstance(command, OpenAssistant) and not self.settings.is_posted:
            told += self.hear(UPGRADED)
        due = self.dialect.deadline()
        return told + (self.wait() if due is not None and due <= self.now else [])

    def hear(self, came: str | bytes | Posted | PostDelayed) -> list[Any]:
        return self._shown(self.dialect.decode(self._message(came), self.now))

    def wait(self) -> list[Outcome]:
        return self._shown(self.dialect.due(self.now))

    def pass_to(self, now: float) -> list[Any]:
        """Time passes; what falls due on the way."""
        outcome: list[Outcome] = []
        while (due := self.dialect.deadline()) is not None and due <= now:
            self.now = max(self.now, due)
            outcome += self.wait()
            again = self.dialect.deadline()
            assert again is None or again > self.now, "what is due was not done"
        self.now = max(now, self.now)
        return outcome

    def listen(self, audio: bytes, hears: AudioFormat = PCMU_8K) -> list[Any]:
        """The caller speaks, frame by frame, as time goes."""
        outcome: list[Outcome] = []
        size = hears.bytes_in(20)
        for at in range(0, len(audio), size):
            outcome += self.pass_to(self.now + FRAME_S)
            outcome += self.tell(AppendAudio(audio[at : at + size]))
        return shortened(outcome)

    def says(self, sentence: bytes) -> list[Any]:
        """As `listen`; the sentence is mu-law at 8000 Hz, whatever is heard."""
        samples = resample(decoder(PCMU_8K)(sentence), 8_000, self.hears.rate_hz)
        return self.listen(encoder(self.hears)(samples), self.hears)

    def play(self, rows: Iterable[Row]) -> None:
        for now, came, expected in rows:
            outcome = self.pass_to(now)
            if isinstance(came, str | bytes | Posted | PostDelayed):
                outcome += self.hear(came)
            elif came is not None:
                outcome += self.tell(came)
            assert shortened(outcome) == expected, (now, came)

    def _message(self, came: str | bytes | Posted | PostDelayed) -> LegMessage:
        if not isinstance(came, str):
            return came
        if self.settings.is_posted:
            if came == "204":
                return Posted(204, "", b"")
            samples = np.zeros(int(came.removeprefix("reply ")) * 24, np.int16)
            return Posted(200, "audio/wav", wav_encode(samples, 24_000))
        if came.startswith("reply "):
            audio = b"\x55" * PCMU_8K.bytes_in(int(came.removeprefix("reply ")))
            return "_MULAW" + base64.b64encode(audio).decode()
        return WORDS.get(came, came)

    def _shown(self, outcomes: Sequence[AssistantOutcome]) -> list[Outcome]:
        shown: list[Outcome] = []
        for outcome in outcomes:
            if isinstance(outcome, ReplyAudio):
                shown.append(f"sound {outcome.item} {self.speaks.duration_ms(len(outcome.audio)):g}")
            elif isinstance(outcome, Word):
                shown.append(outcome)
            else:
                shown.append(self._sent(outcome))
        return shown

    def _sent(self, message: WireMessage | Post) -> str:
        if isinstance(message, Post):
            self.posts.append(message)
            return shown_post(message)
        assert isinstance(message, str)
        if message in SHORTHAND:
            return SHORTHAND[message]
        if "_" in message:
            return message
        return f"{PCMU_8K.duration_ms(len(base64.b64decode(message, validate=True))):g}"


def shown_post(post: Post) -> str:
    kind = post.headers["Content-Type"]
    turn = post.headers["X-Voicebridge-Turn"]
    if kind == "application/json":
        return f"post {turn} {post.body.decode()}"
    if kind == "audio/wav":
        samples, rate_hz = wav_decode(post.body)
        return f"post {turn} {kind} {len(samples) * 1000 / rate_hz:g}"
    return f"post {turn} {kind} {len(post.body)} bytes"


def shortened(outcome: Iterable[Outcome]) -> list[Outcome]:
    """Frames in a row as one."""
    told: list[Outcome] = []
    for is_audio, group in groupby(outcome, lambda one: isinstance(one, str) and one.isdecimal()):
        ones = list(group)
        told += [str(sum(int(str(one)) for one in ones))] if is_audio else ones
    return told


Dial = Callable[..., TurnBasedLine]


@pytest.fixture
def dial() -> Dial:
    """A line with these settings, not yet opened."""
    return TurnBasedLine


Open = Callable[..., TurnBasedLine]


@pytest.fixture
def opened() -> Open:
    """A conversation over HTTP with these settings."""

    def open_one(line: AudioFormat = PCMU_8K, **settings: Any) -> TurnBasedLine:
        one = TurnBasedLine("http://assistant.example.com/turn", **settings)
        assert one.open(line) == [AssistantReady(one.hears, line, keys_interrupt=True)]
        return one

    return open_one


@pytest.fixture(scope="session")
def sentence() -> bytes:
    """Silence to 300 ms, speech to 3260 ms, silence to 4260 ms; mu-law."""
    return read_wav(FIXTURES / "sentence-en-us-male.wav")
