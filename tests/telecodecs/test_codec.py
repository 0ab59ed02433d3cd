"""Every encoding has a decoder and an encoder that undo each other."""

import numpy as np
import pytest

from telecodecs.codec import decoder, encoder
from telecodecs.format import AudioFormat, Encoding

ONES = [  # the sample 1000 as each encoding writes it, and what is read back
    (Encoding.PCMU, b"\xce", 988),
    (Encoding.PCMA, b"\xfa", 1008),
    (Encoding.L16, b"\xe8\x03", 1000),
    (Encoding.L16_BE, b"\x03\xe8", 1000),
]


@pytest.mark.parametrize(("encoding", "audio", "read"), ONES)
def test_both_ways(encoding: Encoding, audio: bytes, read: int) -> None:
    of = AudioFormat(encoding, 8000)
    assert encoder(of)(np.full(3, 1000, np.int16)) == audio * 3
    assert decoder(of)(audio * 3).tolist() == [read] * 3


@pytest.mark.parametrize("encoding", Encoding)
def test_silence_is_the_quietest_sample(encoding: Encoding) -> None:
    of = AudioFormat(encoding, 8000)
    assert encoder(of)(np.zeros(1, np.int16)) == of.silence
    assert abs(int(decoder(of)(of.silence)[0])) <= 8


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("make", [decoder, encoder])
def test_refuses_more_than_one_channel(encoding: Encoding, make: object) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=r"channels 2 of .*/8000/2"):
        make(AudioFormat(encoding, 8000, channels=2))
