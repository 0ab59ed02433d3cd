"""The recording of a person's leg: nothing of the briefing, and in the room the person alone on a track of their own."""

import wave
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bridge.observers.recording import Recording
from bridge.observers.room_recording import RoomRecording
from bridge.observers.usage import Accounting
from bridge.vocabulary.commands import OpenAssistant, PlayAudio
from bridge.vocabulary.events import CallerAudio, CallStarted
from bridge.vocabulary.room import JoinRoom
from telecodecs.codec import encoder
from telecodecs.format import PCMU_8K

BRIEFING, PERSON, CALLER = (encoder(PCMU_8K)(np.full(160, level, np.int16)) for level in (500, 1000, 2000))


def recorded(folder: Path, *, joins: bool) -> list[Path]:
    observer = RoomRecording(Recording(folder, datetime(2026, 1, 1, tzinfo=UTC)))
    observer.saw(CallStarted("CA2", "MZ2", PCMU_8K), 0.0)
    assert OpenAssistant not in observer.sees
    for at in range(10):
        observer.saw(PlayAudio(BRIEFING), at * 0.02)
        observer.saw(CallerAudio(BRIEFING, at * 20), at * 0.02)
    if joins:
        observer.saw(JoinRoom(PCMU_8K), 0.2)
    for at in range(10, 20):
        observer.saw(PlayAudio(CALLER), at * 0.02)
        observer.saw(CallerAudio(PERSON, at * 20), at * 0.02)
    observer.close(1.0, Accounting().account({}))
    return list(folder.glob("*.wav"))


def test_from_the_room_on_the_person_has_a_track(tmp_path: Path) -> None:
    (path,) = recorded(tmp_path, joins=True)
    with wave.open(str(path)) as file:
        left, right = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2).T
    assert len(left) == 1600
    assert np.abs(left - 1000).max() < 50
    assert np.abs(right - 2000).max() < 80


def test_a_briefing_alone_leaves_no_file(tmp_path: Path) -> None:
    assert recorded(tmp_path, joins=False) == []
