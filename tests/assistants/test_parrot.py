"""The parrot, told as calls: when (in ms of the caller's audio), what it says."""

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bridge.assistants.parrot import CHIME, LEAD_MS, LONGEST_S, Parrot
from bridge.config.audio_file import read_wav
from bridge.vocabulary.commands import AppendAudio, OpenAssistant, TypeDigit
from bridge.vocabulary.events import (
    AssistantEvent,
    AssistantReady,
    ReplyAudio,
    ReplyEnded,
    SpeechStarted,
    SpeechStopped,
)
from telecodecs.format import L16_16K, PCMU_8K, AudioFormat
from telecodecs.g711 import ulaw_decode, ulaw_encode
from telecodecs.l16 import l16_decode
from telecodecs.level import dbfs

FIXTURES = Path(__file__).parents[2] / "fixtures"
SPOKEN = json.loads((FIXTURES / "spoken.json").read_text())
CLEAR = [name for name in SPOKEN if name.startswith(("sentence", "pause", "talk-over"))]

FRAME = 160
SILENCE = b"\xff"
SECOND = 8000

NOTICED_MS = 300
"""A beginning is noticed this soon: 100 ms of speech, and what a soft onset hides."""

SILENCE_MS = 700
"""So much silence ends an utterance."""


def opened(line: AudioFormat = PCMU_8K) -> Parrot:
    parrot = Parrot()
    parrot.encode(OpenAssistant("CA1", line), 0.0)
    return parrot


def frames(audio: bytes, size: int = FRAME) -> Iterable[bytes]:
    return (audio[at : at + size] for at in range(0, len(audio), size))


def listen(parrot: Parrot, pieces: Iterable[bytes]) -> list[tuple[float, AssistantEvent]]:
    """What it says, and how much of the caller it had heard by then."""
    said: list[tuple[float, AssistantEvent]] = []
    heard = 0
    for piece in pieces:
        heard += len(piece)
        said += [(heard / 8, event) for event in parrot.encode(AppendAudio(piece), 0.0)]
    return said


def events(said: Iterable[tuple[float, AssistantEvent]]) -> list[AssistantEvent]:
    return [event for _, event in said]


def samples(audio: bytes) -> NDArray[np.int16]:
    return ulaw_decode(np.frombuffer(audio, np.uint8))


def strength(sound: NDArray[np.int16], frequency_hz: float, rate_hz: int) -> float:
    """How much of one frequency there is; a sine's amplitude."""
    turns = np.exp(-2j * np.pi * frequency_hz * np.arange(len(sound)) / rate_hz)
    return float(2 * abs(turns @ sound) / len(sound))


def test_greets_with_a_falling_third() -> None:
    ready, chime, ended = Parrot().encode(OpenAssistant("CA1", PCMU_8K), 0.0)
    assert ready == AssistantReady(PCMU_8K, PCMU_8K)
    assert isinstance(chime, ReplyAudio)
    assert ended == ReplyEnded(chime.item)
    sound = samples(chime.audio)
    assert len(sound) == 0.8 * 8000
    first, second = sound[:2000], sound[2000:]
    (high_hz, _), (low_hz, _) = CHIME
    assert high_hz / low_hz == pytest.approx(2 ** (4 / 12), rel=0.01)
    assert strength(first, high_hz, 8000) > 10 * strength(first, low_hz, 8000)
    assert strength(second, low_hz, 8000) > 10 * strength(second, high_hz, 8000)
    assert -30 < dbfs(sound) < -10


@pytest.mark.parametrize("name", CLEAR)
def test_hears_each_sentence_out_and_says_it_back(name: str) -> None:
    audio, sentences = read_wav(FIXTURES / name), SPOKEN[name]["spoken"]
    said = listen(opened(), frames(audio))
    assert [type(event) for event in events(said)] == [
        SpeechStarted,
        SpeechStopped,
        ReplyAudio,
        ReplyEnded,
    ] * len(sentences)
    for n, sentence in enumerate(sentences):
        (spoke_ms, _), (paused_ms, _), (replied_ms, reply), (_, ended) = said[4 * n : 4 * n + 4]
        start_ms, end_ms = sentence["start_ms"], sentence["end_ms"]
        assert start_ms < spoke_ms <= start_ms + NOTICED_MS
        assert paused_ms == replied_ms == pytest.approx(end_ms + SILENCE_MS, abs=120)
        assert isinstance(reply, ReplyAudio)
        assert ended == ReplyEnded(reply.item)
        begin = audio.find(reply.audio)
        assert begin >= 0, "the caller's own bytes, uncut"
        assert start_ms - LEAD_MS - 120 <= begin / 8 <= start_ms
        assert end_ms <= (begin + len(reply.audio)) / 8 <= end_ms + LEAD_MS + 120


def test_each_reply_is_an_item_of_its_own() -> None:
    parrot = Parrot()
    told = parrot.encode(OpenAssistant("CA1", PCMU_8K), 0.0) + parrot.encode(TypeDigit("1"), 0.0)
    told += events(listen(parrot, frames(read_wav(FIXTURES / "pause.wav"))))
    items = [event.item for event in told if isinstance(event, ReplyEnded)]
    assert len(items) == len(set(items)) == 4


def test_silence_is_not_answered() -> None:
    assert listen(opened(), frames(SILENCE * 30 * SECOND)) == []


def test_a_sentence_that_does_not_end_is_not_answered_yet() -> None:
    audio = read_wav(FIXTURES / "sentence-en-us-male.wav")
    assert events(listen(opened(), frames(audio[: 2 * SECOND]))) == [SpeechStarted(at_ms=300)]


KEYPAD_HZ = {"1": (697, 1209), "5": (770, 1336), "#": (941, 1477), "*": (941, 1209), "D": (941, 1633)}
ALL_HZ = (697, 770, 852, 941, 1209, 1336, 1477, 1633)


@pytest.mark.parametrize("line", [PCMU_8K, L16_16K], ids=str)
@pytest.mark.parametrize("key", KEYPAD_HZ)
def test_a_key_becomes_its_two_tones(key: str, line: AudioFormat) -> None:
    reply, ended = opened(line).encode(TypeDigit(key), 0.0)
    assert isinstance(reply, ReplyAudio)
    assert ended == ReplyEnded(reply.item)
    assert line.duration_ms(len(reply.audio)) == 150
    sound = l16_decode(reply.audio) if line == L16_16K else samples(reply.audio)
    pressed = sound[: line.rate_hz // 10]
    loudest = sorted(ALL_HZ, key=lambda hz: strength(pressed, hz, line.rate_hz))[-2:]
    assert tuple(sorted(loudest)) == KEYPAD_HZ[key]


# The memory


def unbroken(seconds: int) -> bytes:
    """Speech without a pause that would end it."""
    sentence = SPOKEN["sentence-en-us-male.wav"]["spoken"][0]
    speech = read_wav(FIXTURES / "sentence-en-us-male.wav")
    speech = speech[(sentence["start_ms"] + 100) * 8 : sentence["end_ms"] * 8]
    return (speech * (seconds * SECOND // len(speech) + 1))[: seconds * SECOND]


def faint_noise(seconds: int) -> bytes:
    """Some -60 dBFS, so that each stretch of it is like no other."""
    sound = np.random.default_rng(7).normal(0, 25, seconds * SECOND).astype(np.int16)
    return ulaw_encode(sound).tobytes()


def test_an_endless_speech_is_said_back_piece_by_piece() -> None:
    audio = faint_noise(1) + unbroken(2 * LONGEST_S + 5) + faint_noise(1)
    said = events(listen(opened(), frames(audio)))
    reply = [ReplyAudio, ReplyEnded]
    assert [type(event) for event in said] == [SpeechStarted, *reply, *reply, SpeechStopped, *reply]
    replies = [event.audio for event in said if isinstance(event, ReplyAudio)]
    assert [round(len(reply) / SECOND) for reply in replies] == [LONGEST_S, LONGEST_S, 5]
    assert all(len(reply) <= (LONGEST_S + 1) * SECOND for reply in replies)
    assert all(reply in audio for reply in replies)


def test_forgets_while_nobody_speaks() -> None:
    parrot = opened()
    listen(parrot, frames(faint_noise(30)))
    assert len(parrot._memory) <= 2 * SECOND


def test_what_is_said_after_long_quiet_comes_back_whole() -> None:
    (sentence,) = SPOKEN["sentence-es-male.wav"]["spoken"]
    quiet, audio = faint_noise(LONGEST_S + 7), read_wav(FIXTURES / "sentence-es-male.wav")
    *_, reply, _ = events(listen(opened(), frames(quiet + audio)))
    assert isinstance(reply, ReplyAudio)
    begin = (quiet + audio).find(reply.audio) - len(quiet)
    assert begin <= sentence["start_ms"] * 8
    assert begin + len(reply.audio) >= sentence["end_ms"] * 8


# Any cut

STORY = read_wav(FIXTURES / "pause.wav")
TOLD = events(listen(opened(), frames(STORY)))


@pytest.mark.parametrize("size", [1, 7, 80, 240, 800, 1000, len(STORY)])
def test_pieces_of_any_size_say_the_same(size: int) -> None:
    assert events(listen(opened(), frames(STORY, size))) == TOLD


@given(cuts=st.lists(st.integers(0, len(STORY)), max_size=20))
def test_any_cut_says_the_same(cuts: Sequence[int]) -> None:
    pieces = (STORY[begin:end] for begin, end in pairwise([0, *sorted(cuts), len(STORY)]))
    assert events(listen(opened(), pieces)) == TOLD


@pytest.mark.parametrize("message", ["text", b"bytes"])
def test_nothing_comes_of_a_message_for_it_has_no_leg(message: str | bytes) -> None:
    assert Parrot().decode(message, 0.0) == ()
