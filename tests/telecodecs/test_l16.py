"""L16 in both byte orders."""

from collections.abc import Callable

import numpy as np
import pytest

from telecodecs.format import Samples
from telecodecs.l16 import l16_decode, l16_encode, l16be_decode, l16be_encode

ORDERS: list[tuple[Callable[[bytes], Samples], Callable[[Samples], bytes], bytes]] = [
    (l16_decode, l16_encode, b"\x01\x02\xff\xff\x00\x80"),
    (l16be_decode, l16be_encode, b"\x02\x01\xff\xff\x80\x00"),
]


@pytest.mark.parametrize(("decode", "encode", "audio"), ORDERS)
def test_both_ways(
    decode: Callable[[bytes], Samples], encode: Callable[[Samples], bytes], audio: bytes
) -> None:
    samples = decode(audio)
    assert samples.dtype == np.int16
    assert samples.dtype.isnative
    assert samples.tolist() == [0x0201, -1, -32_768]
    assert encode(samples) == audio
    assert encode(samples[::2]) == audio[:2] + audio[4:]
    assert encode(decode(b"")) == b""


@pytest.mark.parametrize("decode", [l16_decode, l16be_decode])
def test_refuses_half_a_sample(decode: Callable[[bytes], Samples]) -> None:
    with pytest.raises(ValueError, match="3 bytes of L16"):
        decode(b"\0\0\0")


def test_reads_any_buffer() -> None:
    assert l16_decode(memoryview(b"\x01\x00\x02\x00")).tolist() == [1, 2]
    assert l16be_decode(bytearray(b"\x00\x01")).tolist() == [1]
