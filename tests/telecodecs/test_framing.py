"""Framer: whole frames out of any pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telecodecs.framing import Framer

MULAW = b"\xff"
L16 = b"\0\0"


def test_passes_whole_frames_untouched() -> None:
    framer = Framer(160, MULAW)
    audio = bytes(480)
    assert framer.feed(audio) is audio
    assert framer.kept == 0
    assert framer.finish() == b""


def test_keeps_an_incomplete_frame() -> None:
    framer = Framer(4, MULAW)
    assert framer.feed(b"abc") == b""
    assert framer.kept == 3
    assert framer.feed(b"defgh") == b"abcdefgh"
    assert framer.feed(b"ijklm") == b"ijkl"
    assert framer.finish() == b"m\xff\xff\xff"
    assert framer.kept == 0
    assert framer.finish() == b""


def test_discards() -> None:
    framer = Framer(4, MULAW)
    framer.feed(b"abcde")
    framer.discard()
    assert framer.feed(b"fghi") == b"fghi"


ENDS = [  # one sample of silence, kept, finished; frames of 6 bytes
    (MULAW, b"a", b"a\xff\xff\xff\xff\xff"),
    (L16, b"ab", b"ab\0\0\0\0"),
    (L16, b"abc", b"abc\0\0\0"),
    (b"\x01\x02\x03", b"abcd", b"abcd\x02\x03"),
]


@pytest.mark.parametrize(("silence", "kept", "frame"), ENDS)
def test_fills_the_last_frame_sample_by_sample(silence: bytes, kept: bytes, frame: bytes) -> None:
    framer = Framer(6, silence)
    assert framer.feed(kept) == b""
    assert framer.finish() == frame


@pytest.mark.parametrize(("frame_bytes", "silence"), [(0, MULAW), (-160, MULAW), (3, L16), (160, b"")])
def test_refuses(frame_bytes: int, silence: bytes) -> None:
    with pytest.raises(ValueError, match=f"frame_bytes {frame_bytes} "):
        Framer(frame_bytes, silence)


@given(pieces=st.lists(st.binary(max_size=50)), frame_bytes=st.integers(1, 20))
def test_any_cut_gives_the_same_bytes(pieces: list[bytes], frame_bytes: int) -> None:
    framer, given_bytes, fed = Framer(frame_bytes, MULAW), b"", 0
    for piece in pieces:
        given_bytes += framer.feed(piece)
        fed += len(piece)
        assert len(given_bytes) == fed // frame_bytes * frame_bytes
        assert framer.kept == fed - len(given_bytes)
    given_bytes += framer.finish()
    assert given_bytes == b"".join(pieces).ljust(-(-fed // frame_bytes) * frame_bytes, MULAW)
