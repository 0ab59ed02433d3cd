"""Which files of a folder are ours, too old, or of one call: rows of names."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.observers.call_file import stem
from bridge.observers.kept_files import is_of_call, is_too_old, names_in, started_at

NOW = datetime(2026, 11, 30, 12, 0, 0, tzinfo=UTC)

OURS = [
    "20261101T120000-CA1.wav",
    "20261101T120000-CA1-2.jsonl",
    "20261101T120000-CA1-truncated.wav",
    "20261101T120000-v3_abc-2-truncated.jsonl",
    "20261101T120000-CA1.wav.age",
    "20261101T120000-CA1.wav.age.part",
    "20261101T120000-CA1.trace.jsonl",
    "20261101T120000-CA1-2-truncated.trace.jsonl.age",
]
NOT_OURS = [
    "notes.txt",
    "20261101T120000-CA1.txt",
    "20261101T120000-CA1.wav.bak",
    "20261101T120000-CA1.trace.wav",
    "20261101T120000.wav",
    "2026-11-01-CA1.wav",
    "20260230T120000-CA1.wav",
    "x20261101T120000-CA1.wav",
    "20261101T120000-CA 1.wav",
    ".wav",
    "20261101T120000-CA1.wav\n",
]


@pytest.mark.parametrize("name", OURS)
def test_a_files_name_says_when_its_call_began(name: str) -> None:
    assert started_at(name) == datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("name", NOT_OURS)
def test_other_files_are_left_alone(name: str) -> None:
    assert started_at(name) is None
    assert not is_too_old(name, 1, NOW)
    assert not is_of_call(name, "CA1")


AGES = [(timedelta(days=7), False), (timedelta(days=7, seconds=1), True), (timedelta(0), False), (-timedelta(days=1), False)]  # fmt: skip


@pytest.mark.parametrize(("age", "is_old"), AGES)
def test_a_file_is_kept_for_whole_days(age: timedelta, is_old: bool) -> None:
    assert is_too_old(f"{stem('CA1', NOW - age)}.wav", 7, NOW) is is_old


CALLS = [
    ("20261101T120000-CA1.wav", "CA1", True),
    ("20261101T120000-CA1-2.wav", "CA1", True),
    ("20261101T120000-CA1-truncated.jsonl", "CA1", True),
    ("20261101T120000-CA1-99-truncated.wav.age", "CA1", True),
    ("20261101T120000-CA1-2-truncated.trace.jsonl", "CA1", True),
    ("20261101T120000-CA12.trace.jsonl", "CA1", False),
    ("20261101T120000-CA12.wav", "CA1", False),
    ("20261101T120000-CA1-100.wav", "CA1", False),
    ("20261101T120000-CA1.wav", "ca1", False),
    ("20261101T120000-v3_a_b.wav", "v3:a/b", True),
    ("20261101T120000-___67.wav", "+15551234567", True),
    ("20261101T120000-CA1.wav", ".*", False),
    ("20261101T120000-.wav", "", True),
    ("20261101T120000-CA1.wav", "", False),
]


@pytest.mark.parametrize(("name", "call_id", "is_its"), CALLS)
def test_a_file_is_of_one_call(name: str, call_id: str, is_its: bool) -> None:
    assert is_of_call(name, call_id) is is_its


@pytest.mark.parametrize("call_id", ["CA" + "0" * 32, "v3:x/y", "x" * 200, "+1 555 123 4567", "ü", ""])
def test_the_name_that_a_file_gets_is_found_again(call_id: str) -> None:
    name = f"{stem(call_id, NOW)}.wav"
    assert started_at(name) == NOW
    assert is_of_call(name, call_id)


def test_only_regular_files_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "b.wav").mkdir()
    (tmp_path / "c.wav").symlink_to(tmp_path / "a.wav")
    assert list(names_in(tmp_path)) == ["a.wav"]
    assert list(names_in(tmp_path / "missing")) == []
