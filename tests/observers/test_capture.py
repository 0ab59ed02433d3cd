"""The capture of a call: which lines its legs, its assistants and its words leave, and when there is a file at all."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.observers import capture as module
from bridge.observers.call_file import CallFile
from bridge.observers.capture import Capture, CapturedCall, CaptureRules, taps_of
from bridge.observers.trace import SUFFIX, Trace, read_trace
from bridge.vocabulary.commands import OpenAssistant, PressKeys
from bridge.vocabulary.contracts import Account, Connection, Lost, Post, PostDelayed, Posted, Receive
from bridge.vocabulary.events import (
    CallEnded,
    CallStarted,
    CloseRequested,
    GoodbyeRequested,
    LegLost,
    LegName,
    ToolAnswered,
    Word,
)
from telecodecs.format import PCMU_8K

STARTED = CallStarted("CA1", "MZ1", PCMU_8K)
OPENED = OpenAssistant("CA1", PCMU_8K, assistant="sales")
ACCOUNT = Account({}, {}, 0.0, 0.0, ())


class Peer:
    """A leg, and what was done with it."""

    stalled = False

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.receive: Receive
        self.lost: Lost

    def send(self, message: Any) -> None:
        self.sent.append(message)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.sent.append((code, reason))


class Made:
    """A capture with a clock, in a folder."""

    def __init__(
        self, folder: Path, rules: CaptureRules, open_file: Callable[[str], CallFile] | None = None
    ) -> None:
        self.now = 100.0
        self.folder = folder
        started = datetime(2026, 11, 30, tzinfo=UTC)
        self.capture = Capture(
            CapturedCall("twilio", "media", {PressKeys}, 20.0),
            started.isoformat(),
            rules,
            open_file or (lambda call_id: CallFile(folder, call_id, started, SUFFIX)),
            {"sales": "stream"}.__getitem__,
            lambda: self.now,
        )
        self.heard: list[Any] = []
        self.carrier = Peer()
        self.taps = taps_of(self.capture, self.heard.append, lambda code, reason: self.heard.append(code))
        self.leg = self.taps.leg(self.carrier)

    def after(self, ms: float) -> "Made":
        self.now += ms / 1000
        return self

    def saw(self, *words: Word) -> None:
        for word in words:
            self.capture.saw(word, self.now)

    def end(self) -> Trace:
        self.capture.close(self.now, ACCOUNT)
        (file,) = self.folder.iterdir()
        return read_trace(file.read_bytes())

    def assistant(self) -> tuple[Peer, Connection]:
        peer = Peer()

        def connect(_command: OpenAssistant, receive: Receive, lost: Lost) -> Connection:
            peer.receive, peer.lost = receive, lost
            return Connection(None, peer, None)  # type: ignore[arg-type]  # only the leg is tapped

        return peer, self.capture.connect(connect)(OPENED, self.heard.append, lambda *_: None)


Make = Callable[..., Made]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda *, has_assistant=True, shows=False: Made(
        tmp_path / "traces", CaptureRules(has_assistant, shows, "1.0")
    )


def rows(trace: Trace) -> list[tuple[float, str, str]]:
    return [
        (line.at_ms, f"{line.what or line.to} {line.leg}", line.event or str(line.wire))
        for line in trace.lines
    ]


def test_both_directions_of_the_carriers_socket_are_written_with_their_times(make: Make) -> None:
    made = make()
    made.after(1.5).taps.receive('{"event":"connected"}')
    made.saw(STARTED, OPENED)
    made.after(20).leg.send('{"event":"clear"}')
    made.after(0.25).leg.close(1000, "the call ended")
    made.after(5).taps.lost(1000, "")
    trace = made.end()
    assert rows(trace) == [
        (1.5, "bridge carrier", '{"event":"connected"}'),
        (21.5, "carrier carrier", '{"event":"clear"}'),
        (21.75, "closed carrier", ""),
        (26.75, "lost carrier", ""),
        (26.75, "ended carrier", ""),
    ]
    assert made.heard == ['{"event":"connected"}', 1000]
    assert made.carrier.sent == ['{"event":"clear"}', (1000, "the call ended")]


def test_the_header_says_what_the_messages_do_not(make: Make) -> None:
    made = make()
    made.saw(STARTED, OPENED)
    header = made.end().header
    assert (header.carrier, header.stream, header.call_id) == ("twilio", "media", "CA1")
    assert (header.assistant, header.kind, header.has_assistant) == ("sales", "stream", True)
    assert (header.line, header.plays, header.can, header.resume_s) == (
        PCMU_8K,
        PCMU_8K,
        ("PressKeys",),
        20.0,
    )
    assert (header.masked, header.version, header.recorded) == (True, "1.0", "2026-11-30T00:00:00+00:00")


def test_the_assistants_leg_is_written_with_every_kind_of_message(make: Make) -> None:
    made = make()
    made.saw(STARTED, OPENED)
    peer, connection = made.assistant()
    connection.leg.send("a text")
    connection.leg.send(Post(b'{"a":1}', {"Content-Type": "application/json; charset=utf-8"}))
    connection.leg.send(Post(b"\x01\x02", {"content-type": "audio/PCMU"}))
    peer.receive(b"\x00")
    peer.receive(Posted(503, "text/plain", b"busy", 2.0))
    peer.receive(PostDelayed(1.5))
    peer.lost(1006, "gone")
    connection.leg.close()
    opened, text, json_post, audio_post, binary, posted, delayed, lost, closed, _ = made.end().lines
    assert (opened.what, opened.leg, opened.assistant, opened.kind) == (
        "opened",
        "assistant-1",
        "sales",
        "stream",
    )
    assert (text.to, text.wire) == ("assistant", "a text")
    assert json_post.post is not None
    assert json_post.post.body == b'{"a":1}'
    assert audio_post.post is not None
    assert audio_post.post.body == b"\x01\x02"
    assert (binary.to, binary.wire) == ("bridge", b"\x00")
    assert posted.posted is not None
    assert (posted.posted.status, posted.posted.body, posted.posted.retry_after_s) == (503, b"busy", 2.0)
    assert delayed.delayed_s == 1.5
    assert (lost.what, lost.code, lost.reason) == ("lost", 1006, "gone")
    assert closed.what == "closed"
    assert len(made.heard) == 3


def test_without_the_assistants_side_only_its_opening_is_written(make: Make) -> None:
    made = make(has_assistant=False)
    made.saw(STARTED, OPENED)
    peer, connection = made.assistant()
    connection.leg.send("a text")
    peer.receive("another")
    made.saw(ToolAnswered("t1", "{}"))
    assert [line.what for line in made.end().lines] == ["opened", "ended"]
    assert peer.sent == ["a text"]


TOLD = [
    (CallEnded(), ("CallEnded", "", 0)),
    (CloseRequested("the server is closing", 1001), ("CloseRequested", "the server is closing", 1001)),
    (GoodbyeRequested("the server is closing", 5.0), ("GoodbyeRequested", "the server is closing", 1001)),
    (LegLost(LegName.CARRIER, 1006, "broken off"), ("LegLost", "broken off", 1006)),
]


@pytest.mark.parametrize(("word", "told"), TOLD)
def test_what_the_core_is_told_beside_the_legs_is_written(
    make: Make, word: Word, told: tuple[Any, ...]
) -> None:
    made = make()
    made.saw(STARTED, OPENED, word)
    line = made.end().lines[0]
    assert (line.event, line.reason, line.code) == told


def test_what_comes_of_a_message_is_not_written_twice(make: Make) -> None:
    made = make()
    made.saw(STARTED, OPENED)
    taps = taps_of(made.capture, lambda _: made.saw(CallEnded()), lambda *_: made.saw(TOLD[3][0]))
    taps.receive('{"event":"stop"}')
    taps.lost(1006, "")
    assert [line.what or line.to for line in made.end().lines] == ["bridge", "lost", "ended"]


def test_a_second_stream_of_the_call_has_a_name_of_its_own(make: Make) -> None:
    made = make()
    made.saw(STARTED, OPENED)
    taps = taps_of(made.capture, made.heard.append, lambda *_: None)
    taps.receive("{}")
    taps.leg(Peer()).send("{}")
    assert [line.leg for line in made.end().lines] == ["carrier-2", "carrier-2", "carrier"]


def test_a_call_that_was_refused_leaves_no_file(make: Make) -> None:
    made = make()
    made.taps.receive('{"event":"start"}')
    made.saw(STARTED, CallEnded())
    made.capture.close(made.now, ACCOUNT)
    assert not made.folder.exists()


def test_lines_are_written_while_the_call_goes_on(make: Make) -> None:
    made = make()
    made.saw(STARTED, OPENED)
    for _ in range(100):
        made.after(20).taps.receive("{}")
    (file,) = made.folder.iterdir()
    assert 50 < len(file.read_bytes().splitlines()) < 100
    assert file.name == "20261130T000000-CA1.trace.jsonl"
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(made.end().lines) == 101


def test_a_full_disk_ends_the_trace_and_not_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Made(tmp_path, CaptureRules(has_assistant=True, shows=False))
    made.saw(STARTED, OPENED)
    monkeypatch.setattr("bridge.observers.call_file._write_all", partial(_is_full))
    with capture_logs() as log:
        for _ in range(100):
            made.after(20).taps.receive("{}")
    assert [line["error"] for line in log] == ["[Errno 28] No space left on device"]
    assert len(made.heard) == 100
    (file,) = tmp_path.iterdir()
    assert file.name == "20261130T000000-CA1-truncated.trace.jsonl"
    assert read_trace(file.read_bytes()).is_cut_off


def _is_full(_file: object, _content: bytes) -> None:
    raise OSError(28, "No space left on device")


def test_what_waits_too_long_is_given_up(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING_BYTES", 2_000)
    made = make()
    made.saw(STARTED, OPENED)
    made.taps.receive(json.dumps({"event": "dtmf", "dtmf": {"digit": "1"}}))
    with capture_logs() as log:
        for _ in range(100):
            made.after(20).taps.receive('{"event":"x"}')
    assert [line["error"] for line in log] == ["too much of the call waits for the end of an entry"]
    assert [file.name for file in made.folder.iterdir()] == ["20261130T000000-CA1-truncated.trace.jsonl"]
    assert len(made.heard) == 101


def test_without_a_capture_nothing_stands_between() -> None:
    def receive(_message: str | bytes) -> None:
        pass

    def lost(_code: int, _reason: str) -> None:
        pass

    taps, leg = taps_of(None, receive, lost), Peer()
    assert taps.receive is receive
    assert taps.lost is lost
    assert taps.leg(leg) is leg
