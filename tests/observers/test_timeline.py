"""The picture of a call: where its labels stand, and that it is drawn; no pixels are compared."""

import struct
import sys
import wave
from pathlib import Path

import pytest

from bridge.observers.timeline import Label, MatplotlibMissing, draw, group_keys, shortened, stagger
from bridge.vocabulary.errors import ConfigurationError

CALL = Path(__file__).with_name("call-journal.jsonl").read_text()


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


LABELS = [  # when labels begin; what is written: text, row, left edge. A letter is 0.1 s, a row 10 s
    ([1.0], [("at length", 0, 1.0)]),
    ([1.0, 1.5, 2.2], [("at length", 0, 1.0), ("at length", 1, 1.5), ("at length", 0, 2.2)]),
    (
        [1.0, 8.4, 8.6, 9.4],
        [("at length", 0, 1.0), ("at length", 0, 8.4), ("at length", 1, 8.6), ("short", 0, 9.4)],
    ),
    ([1.0, 1.1, 1.2], [("at length", 0, 1.0), ("at length", 1, 1.1)]),  # no room
    ([1.0, 1.1, 1.6], [("short", 0, 1.0), ("at length", 1, 1.1), ("at length", 0, 1.6)]),  # room is made
    ([-0.2], [("at length", 0, 0.0)]),  # moved into the picture
    ([9.9], [("at length", 0, 9.1)]),
]


@pytest.mark.parametrize(("wanted", "written"), LABELS)
def test_labels_do_not_lie_upon_each_other(
    wanted: list[float], written: list[tuple[str, int, float]]
) -> None:
    labels = [Label(at_s, ("at length", "short")) for at_s in wanted]
    placed = stagger(labels, lambda text: len(text) * 0.1, rows=2, within_s=(0.0, 10.0))
    assert [(text, row, round(left_s, 6)) for _, text, row, left_s in placed] == written


SHORTENED = [
    ("Hello.", ["Hello."]),
    ("Hello, who is there?", ["Hello, who is there?", "Hello, who…"]),
    ("x" * 30, ["x" * 30, "x" * 23 + "…", "x" * 11 + "…"]),
    ("x" * 99, ["x" * 59 + "…", "x" * 39 + "…", "x" * 23 + "…", "x" * 11 + "…"]),
    ("", [""]),
]


@pytest.mark.parametrize(("text", "texts"), SHORTENED)
def test_a_text_gets_as_short_as_it_has_to(text: str, texts: list[str]) -> None:
    assert list(shortened(text)) == texts


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
TALK = (
    CALL.replace("SpeechStopped", 'SpeechStopped","item":"u1').replace(
        '"counts":{}',
        '"counts":{},"turns":[{"wait_ms":850,"pause_ms":500,"reply_ms":100,"send_ms":0,"play_ms":250}]',
    )
    + """\
{"at":2.0,"way":"<","what":"CallerSaid","item":"u1","text":"What is $5, or 100 % of it? And $6?"}
{"at":2.0,"until":2.1,"way":"<","what":"ReplySaid","item":"reply-2","text":"It is $5, or 100 % of it."}
{"at":2.0,"way":">","what":"RunTool","tool_call_id":"c1","tool":"cash_$desk$"}
{"at":2.1,"way":">","what":"RunTool","tool_call_id":"c2","tool":"hangs"}
{"at":2.2,"way":">","what":"AnswerTool","tool_call_id":"c1"}
{"at":3.0,"way":">","what":"EnterDigits","digits":"4"}
{"at":3.0,"way":"<","what":"AssistantFailed","why":"it is of no use, and this is a long story","final":false}
"""
)
PICTURES = [  # the journal, frames of the recording, how wide the picture gets
    (CALL, 34_000, 1680),
    (TALK, 34_000, 1680),
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
    assert size_of(picture) == (width, 840)


SUPERVISED = """\
{"at":0.0,"way":"<","what":"SupervisorJoined","supervisor":"desk","supervisor_leg":"L2","role":"listen"}
{"at":0.5,"way":">","what":"SetRole","member":"caller","role":"talks"}
{"at":0.5,"way":">","what":"SetRole","member":"person","role":"talks"}
{"at":1.5,"way":">","what":"SetRole","member":"supervisor","role":"whispers","to":"person"}
"""


def test_a_call_with_a_person_and_a_supervisor_has_a_lane_for_each_party(tmp_path: Path) -> None:
    picture = tmp_path / "timeline.png"
    draw(recording(tmp_path), journal(tmp_path, CALL), picture)
    _, usual = size_of(picture)
    draw(recording(tmp_path), journal(tmp_path, CALL + SUPERVISED), picture)
    _, height = size_of(picture)
    assert usual + 4 * 50 < height < usual + 4 * 75


def test_a_recording_of_one_voice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"call\.wav: 1 × 16 bits: expected two channels"):
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


def test_a_recording_that_is_none_is_named_without_matplotlib_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigurationError, match=r"call\.wav: No such file"):
        draw(tmp_path / "call.wav", journal(tmp_path, CALL), tmp_path / "timeline.png")


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MatplotlibMissing, match=r"pip install 'voicebridge-server\[report\]'"):
        draw(recording(tmp_path), journal(tmp_path, CALL), tmp_path / "timeline.png")
