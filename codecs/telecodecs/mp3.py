"""Encodes and decodes whole MP3 files with PyAV (LAME and ffmpeg), which the extra `mp3` installs.

Source: ISO/IEC 11172-3 and 13818-3, layer III. Units: samples, Hz; one channel.
A file begins with LAME's header, which tells a player how much of the encoder's delay to cut off. A player that ignores
it plays that much silence before each file: 0.2 s at 8 kHz, 0.05 s at 48 kHz.
"""

from io import BytesIO

import numpy as np

from telecodecs.format import Samples
from telecodecs.packets import CodecMissing

RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""Sampling rates of MP3."""

_BIT_RATE = 64_000  # bit/s; more than one voice needs, and allowed at every rate


def check_installed() -> None:
    """Raise CodecMissing if PyAV is not installed; to be asked at start-up instead of in the first call."""
    try:
        import av  # noqa: F401
    except ImportError as missing:
        raise CodecMissing("MP3", "mp3") from missing


class Mp3Writer:
    """Encodes one file as its samples come. The file is 0.5 dB quieter: LAME leaves headroom for its own error.

    Raises CodecMissing if PyAV is not installed, ValueError if `rate_hz` is not one of `RATES_HZ`.
    """

    def __init__(self, rate_hz: int) -> None:
        check_installed()
        import av

        if rate_hz not in RATES_HZ:
            raise ValueError(f"rate_hz {rate_hz} is not a rate of MP3; expected one of {RATES_HZ}")
        self._rate_hz = rate_hz
        self._file = BytesIO()
        self._frame = av.AudioFrame.from_ndarray
        self._container = av.open(self._file, "w", format="mp3", options={"id3v2_version": "0"})
        self._stream = self._container.add_stream(
            "libmp3lame", rate=rate_hz, layout="mono", bit_rate=_BIT_RATE
        )

    def feed(self, samples: Samples) -> None:
        """Encode the next samples; an empty array is ignored."""
        if len(samples):
            frame = self._frame(np.ascontiguousarray(samples)[np.newaxis], "s16p", "mono")
            frame.sample_rate = self._rate_hz
            self._container.mux(self._stream.encode(frame))

    def finish(self) -> bytes:
        """Return the whole file. To be called once, at the end, after at least one sample."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._file.getvalue()

    def discard(self) -> None:
        """Release the encoder of a file that will not be finished."""
        self._container.close()


def mp3_samples(file: bytes) -> tuple[Samples, int]:
    """Decode one file: its samples and their rate in Hz. Several channels are mixed into one.

    Raises CodecMissing if PyAV is not installed, ValueError if the bytes are not an MP3 file.
    """
    check_installed()
    import av

    try:
        with av.open(BytesIO(file), "r", format="mp3") as container:
            stream = container.streams.audio[0]
            mono = av.AudioResampler("s16", "mono")
            heard = [part for frame in container.decode(stream) for part in mono.resample(frame)]
            samples = np.concatenate([part.to_ndarray()[0] for part in heard])
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise ValueError(f"{len(file)} bytes are not an MP3 file") from error
    return samples.astype(np.int16, copy=False), stream.rate
