"""The picture of a call: what a journal tells, and that it is drawn; no pixels are compared."""

import struct
import sys
import wave
from pathlib import Path

import pytest

from bridge.errors import ConfigurationError
from bridge.timeline import Cut, Happening, Label, Mark, Reply, draw, group_keys, read_journal, stagger, story

CALL = """\
{"at":0.000,"way":"<","what":"CallStarted","call":"CA1","stream":"MZ1","line":{"encoding":"pcmu","rate_hz":8000}}
{"at":0.125,"way":">","what":"SendMark","name":"0.1"}
{"at":0.375,"way":"<","what":"MarkReached","name":"0.1"}
{"at":0.375,"way":">","what":"ConfirmHeard","item":"chime-1"}
{"at":0.250,"until":1.230,"way":"<","what":"CallerAudio","frames":50,"bytes":8000}
{"at":1.000,"way":"<","what":"CallerSpoke"}
{"at":2.000,"way":"<","what":"CallerPaused"}
{"at":2.000,"way":">","what":"SendMark","name":"0.2"}
{"at":2.000,"way":">","what":"SendMark","name":"0.3"}
{"at":2.000,"way":">","what":"SendMark","name":"0.4"}
{"at":2.250,"way":"<","what":"MarkReached","name":"0.2"}
{"at":2.375,"way":"<","what":"CallerSpoke"}
{"at":2.375,"way":">","what":"ClearPlayback","unheard_samples":2400}
{"at":2.375,"way":">","what":"TruncateReply","item":"reply-2","heard_ms":300}
{"at":2.500,"way":"<","what":"MarkReached","name":"0.3"}
{"at":3.250,"way":"<","what":"DigitPressed","digit":"4"}
{"at":4.000,"way":">","what":"ClearPlayback","unheard_samples":0}
{"at":4.250,"way":"<","what":"CallEnded"}
{"at":4.250,"way":">","what":"HangUp","code":1000,"why":"the call ended"}
{"at":4.250,"way":"=","what":"Ended","started":"2026-01-01T00:00:00+00:00","counts":{}}
{"at":3.250,"until":4.250,"way":"<","what":"CallerAudio","frames":50,"bytes":8000}
"""


def journal(folder: Path, text: str) -> Path:
    path = folder / "journal.jsonl"
    path.write_text(text)
    return path


def recording(folder: Path, *, channels: int = 2, frames: int = 34_000) -> Path:
    path = folder / "call.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(struct.pack("<h", 9000) * channels * frames)
    return path


def test_lines_come_by_time(tmp_path: Path) -> None:
    happenings = read_journal(journal(tmp_path, CALL))
    assert len(happenings) == CALL.count("\n")
    assert [one.at_s for one in happenings] == sorted(one.at_s for one in happenings)
    first = happenings[0]
    assert (first.at_s, first.way, first.what, first.fields["call"]) == (0.0, "<", "CallStarted", "CA1")


@pytest.mark.parametrize(
    "tail", ["", '{"at":5', '{"at":5,"way":"<"', '{"at":5,"way":"<","what":"MarkReached","na']
)
def test_a_last_line_that_was_not_finished_is_left_out(tmp_path: Path, tail: str) -> None:
    assert read_journal(journal(tmp_path, CALL + tail)) == read_journal(journal(tmp_path, CALL))


def test_a_last_line_that_only_lacks_its_newline_counts(tmp_path: Path) -> None:
    assert read_journal(journal(tmp_path, CALL.rstrip())) == read_journal(journal(tmp_path, CALL))


BROKEN = [
    ("no JSON\n", "malformed"),
    ("\n", "truncated"),
    ("[]\n", "array"),
    ('{"at":"soon","way":"<","what":"CallerSpoke"}\n', "at"),
    ('{"at":0,"way":"?","what":"CallerSpoke"}\n', "way"),
    ('{"at":0,"way":">","what":"ClearPlayback"}\n', "unheard_samples"),
    ('{"at":0,"way":"<","what":"MarkReached","name":7}\n', "name"),
    ('{"at":0,"until":"soon","way":"<","what":"CallerAudio","frames":50,"bytes":8000}\n', "until"),
]


@pytest.mark.parametrize(("line", "why"), BROKEN)
def test_a_broken_line_is_named(tmp_path: Path, line: str, why: str) -> None:
    path = journal(tmp_path, CALL + line + CALL)
    with pytest.raises(ConfigurationError, match=f"journal.jsonl, line {CALL.count(chr(10)) + 1}: .*{why}"):
        read_journal(path)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"at":0,"way":"<","what":"\xff\xfe"}\n')
    with pytest.raises(ConfigurationError, match="line 1"):
        read_journal(path)


def test_a_missing_journal_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        read_journal(tmp_path / "nowhere.jsonl")


def test_a_story_counts_from_the_first_sound(tmp_path: Path) -> None:
    told = story(read_journal(journal(tmp_path, CALL)))
    assert told.call == "CA1"
    assert told.ended_s == 4.0
    assert told.notes == [(-0.25, "call starts"), (4.0, "hang-up: the call ended")]
    assert told.turns == [(0.75, 1.75), (2.125, 4.0)]
    assert told.digits == [(3.0, "4")]
    assert not told.other_party


def test_a_barge_in_is_a_clear_that_the_caller_caused(tmp_path: Path) -> None:
    told = story(read_journal(journal(tmp_path, CALL)))
    barge_in = Cut(2.125, 2400, barge_in=True)
    assert told.cuts == [barge_in, Cut(3.75, 0, barge_in=False)]
    assert told.barge_ins == [barge_in]
    assert told.replies == [Reply("chime-1", 0.125), Reply("reply-2", 2.125, 300)]


def test_a_mark_that_returns_after_a_clear_proves_nothing(tmp_path: Path) -> None:
    told = story(read_journal(journal(tmp_path, CALL)))
    assert told.marks == [
        Mark(-0.125, 0.125, heard=True),
        Mark(1.75, 2.0, heard=True),
        Mark(1.75, 2.25, heard=False),
        Mark(1.75, None, heard=False),
    ]


def test_a_stream_of_both_tracks_has_another_party() -> None:
    told = story(
        [Happening(1.0, "<", "OtherPartyAudio", {"frames": 1}), Happening(3.0, "<", "CallEnded", {})]
    )
    assert told.other_party
    assert told.ended_s == 2.0


def test_nothing_happened() -> None:
    told = story([])
    assert (told.ended_s, told.cuts, told.summary(8000)) == (
        0.0,
        [],
        "Turns of the caller: 0. Keys: 0. Replies heard: 0. Barge-ins: 0.",
    )


def test_the_summary_counts(tmp_path: Path) -> None:
    told = story(read_journal(journal(tmp_path, CALL)))
    assert told.summary(8000) == (
        "Turns of the caller: 2. Keys: 1. Replies heard: 2. Barge-ins: 1; 0.3 s thrown away unheard."
    )


LABELS = [  # labels as (at, before); what is written: text, row, place. A letter is 0.1 s, a row 10 s
    ([(1.0, False)], [("at length", 0, 1.0)]),
    (
        [(1.0, False), (1.5, False), (2.2, False)],
        [("at length", 0, 1.0), ("at length", 1, 1.5), ("at length", 0, 2.2)],
    ),
    (
        [(1.0, False), (1.5, False), (2.9, True)],
        [("at length", 0, 1.0), ("at length", 1, 1.5), ("short", 0, 2.9)],
    ),
    ([(1.0, False), (1.1, False), (1.2, False)], [("at length", 0, 1.0), ("at length", 1, 1.1)]),  # no room
    ([(0.2, True)], [("at length", 0, 1.1)]),  # moved into the picture
    ([(9.9, False)], [("at length", 0, 8.9)]),
]


@pytest.mark.parametrize(("wanted", "written"), LABELS)
def test_labels_do_not_lie_upon_each_other(
    wanted: list[tuple[float, bool]], written: list[tuple[str, int, float]]
) -> None:
    labels = [Label(at_s, ("at length", "short"), before=before) for at_s, before in wanted]
    placed = stagger(labels, letter_s=0.1, rows=2, within_s=(0.0, 10.0))
    assert [(text, row, round(place, 6)) for _, text, row, place in placed] == written


def test_keys_pressed_fast_share_a_cap() -> None:
    digits = [(1.0, "4"), (1.1, "7"), (1.3, "1"), (2.0, "#")]
    assert group_keys(digits, key_s=0.2) == [(1.0, "471"), (2.0, "#")]
    assert group_keys(digits, key_s=0.05) == digits
    assert group_keys([], key_s=0.2) == []


def size_of(picture: Path) -> tuple[int, int]:
    head = picture.read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", head[16:])
    return width, height


NO_SPEECH = '{"at":0,"until":4,"way":"<","what":"CallerAudio","frames":200,"bytes":32000}\n'
PICTURES = [  # the journal, frames of the recording, how wide the picture gets
    (CALL, 34_000, 1680),
    (CALL, 0, 1680),  # killed before the first half second was written
    (NO_SPEECH, 34_000, 1680),
    ("", 0, 1680),
    (CALL, 8000 * 100, 1680 + 60 // 12 * 120),
    (CALL, 8000 * 240, 28 * 120),
]


@pytest.mark.parametrize(("text", "frames", "width"), PICTURES)
def test_a_picture_is_made(tmp_path: Path, text: str, frames: int, width: int) -> None:
    picture = tmp_path / "timeline.png"
    draw(recording(tmp_path, frames=frames), journal(tmp_path, text), picture, title="Costs $5, or $6")
    assert size_of(picture) == (width, 720)


def test_a_recording_of_one_voice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"call\.wav: 1 × 16 bits; two channels"):
        draw(recording(tmp_path, channels=1), journal(tmp_path, CALL), tmp_path / "timeline.png")


@pytest.mark.parametrize(
    "content", [None, b"", b"RIFF", b"no sound at all, but long enough for a header of a WAV"]
)
def test_a_recording_that_is_none_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "call.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"call\.wav: "):
        draw(path, journal(tmp_path, CALL), tmp_path / "timeline.png")


def test_a_picture_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"timeline\.png: No such file"):
        draw(recording(tmp_path), journal(tmp_path, CALL), tmp_path / "nowhere" / "timeline.png")


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'voicebridge\[report\]'"):
        draw(recording(tmp_path), journal(tmp_path, CALL), tmp_path / "timeline.png")
