"""AMR-WB payloads of both packings, split into frames."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telecodecs.amr_wb import SPEECH_LOST, amr_wb_frames

BITS = [132, 177, 253, 285, 317, 365, 397, 461, 477, 40]  # TS 26.201, tables 2 and 3


class Frame(NamedTuple):
    kind: int
    bits: str
    good: bool = True

    @property
    def as_in_a_file(self) -> bytes:
        return bytes([self.kind << 3 | 4]) + whole(self.bits) if self.good else SPEECH_LOST


def whole(bits: str) -> bytes:
    return bytes(int(bits[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(bits), 8))


def contents(frames: list[Frame]) -> list[str]:
    last = len(frames) - 1
    return [f"{n < last:b}{frame.kind:04b}{frame.good:b}" for n, frame in enumerate(frames)]


def octet_aligned(frames: list[Frame], request: int = 15) -> bytes:
    table = "".join(f"{entry}00" for entry in contents(frames))
    return whole(f"{request:04b}0000{table}") + b"".join(whole(frame.bits) for frame in frames)


def bandwidth_efficient(frames: list[Frame], request: int = 15) -> bytes:
    return whole(f"{request:04b}" + "".join(contents(frames)) + "".join(frame.bits for frame in frames))


NO_DATA = Frame(15, "")
LOST = Frame(14, "")

SINGLES = [Frame(kind, "1" * bits) for kind, bits in enumerate(BITS)] + [LOST, NO_DATA]


@pytest.mark.parametrize("frame", SINGLES, ids=lambda frame: str(frame.kind))
@pytest.mark.parametrize("pack", [octet_aligned, bandwidth_efficient])
def test_a_single_frame(pack: object, frame: Frame) -> None:
    assert callable(pack)
    assert amr_wb_frames(pack([frame])) == [frame.as_in_a_file]


PAYLOADS = [  # as on the wire, and the length of each frame in a file
    ("no data, octet-aligned", "f0 7c", "7c"),
    ("no data, bandwidth-efficient", "f7 c0", "7c"),
    ("comfort noise, octet-aligned", "f0 4c 4cebfe33b2", "4c 4cebfe33b2"),
    ("comfort noise, bandwidth-efficient", "f4 d3 3a ff 8c ec 80", "4c 4cebfe33b2"),
    ("damaged, octet-aligned", "f0 48 4cebfe33b2", "74"),
]


@pytest.mark.parametrize(
    ("payload", "frame"), [row[1:] for row in PAYLOADS], ids=[row[0] for row in PAYLOADS]
)
def test_payload(payload: str, frame: str) -> None:
    assert amr_wb_frames(bytes.fromhex(payload)) == [bytes.fromhex(frame)]


def speech(kind: int) -> st.SearchStrategy[Frame]:
    bits = st.integers(0, (1 << BITS[kind]) - 1).map(lambda bits: f"{bits:0{BITS[kind]}b}")
    return st.builds(Frame, st.just(kind), bits, st.booleans())


@given(
    frames=st.lists(
        st.one_of(*map(speech, range(10)), st.just(LOST), st.just(NO_DATA)), min_size=1, max_size=5
    ),
    request=st.integers(0, 15),
    pack=st.sampled_from([octet_aligned, bandwidth_efficient]),
)
def test_both_packings_give_the_same_frames(frames: list[Frame], request: int, pack: object) -> None:
    assert callable(pack)
    assert amr_wb_frames(pack(frames, request)) == [frame.as_in_a_file for frame in frames]


def test_a_payload_cut_short_or_made_longer_is_refused() -> None:
    for kind, bits in enumerate(BITS):
        for pack in (octet_aligned, bandwidth_efficient):
            payload = pack([Frame(kind, "01" * (bits // 2) + "1" * (bits % 2))])
            for wrong in (payload[:-1], payload + b"\0"):
                with pytest.raises(ValueError, match=f"{len(wrong)} bytes are not an AMR-WB payload"):
                    amr_wb_frames(wrong)


RUBBISH = [
    b"",
    b"\0",
    b"\xf0",
    b"\xf0\x54",
    b"\xf0\x7f",
    b"\xf0\xfc",
    b"\xff" * 33,
    b"\xf0" + b"\xfc" * 60 + b"\x7c",
]


@pytest.mark.parametrize("payload", RUBBISH, ids=range(len(RUBBISH)))
def test_refuses(payload: bytes) -> None:
    with pytest.raises(ValueError, match=f"{len(payload)} bytes are not an AMR-WB payload"):
        amr_wb_frames(payload)


@given(payload=st.binary(max_size=200))
def test_any_bytes_are_either_refused_or_read(payload: bytes) -> None:
    try:
        frames = amr_wb_frames(payload)
    except ValueError:
        return
    assert 0 < len(frames) <= 50
