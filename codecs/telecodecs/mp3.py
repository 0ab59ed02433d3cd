"""MP3: whole files from samples and back, by PyAV (LAME and ffmpeg), the library of the extra mp3.

Source: ISO/IEC 11172-3 and 13818-3, layer III. Units: samples, Hertz; one channel.
A file begins with LAME's header, by which a player cuts off the coder's delay. One that does not know it plays
silence before each file: 0.2 s at 8 kHz, 0.05 s at 48 kHz.
"""

from io import BytesIO

import numpy as np

from telecodecs.format import Samples
from telecodecs.packets import CodecMissing

RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""What MP3 has_assistant."""

_BIT_RATE = 64_000  # for one voice more than enough, and allowed at any rate


def check_installed() -> None:
    """Raise CodecMissing now and not in the first call."""
    try:
        import av  # noqa: F401
    except ImportError as missing:
        raise CodecMissing("MP3", "mp3") from missing


class Mp3Writer:
    """One file, written as its samples come; half a decibel quieter: LAME leaves room for its own error.

    Raises CodecMissing, and ValueError on a rate that is not in `RATES_HZ`.
    """

    def __init__(self, rate_hz: int) -> None:
        check_installed()
        import av

        if rate_hz not in RATES_HZ:
            raise ValueError(f"rate_hz {rate_hz} is not one of MP3; one of {RATES_HZ} is right")
        self._rate_hz = rate_hz
        self._file = BytesIO()
        self._frame = av.AudioFrame.from_ndarray
        self._container = av.open(self._file, "w", format="mp3", options={"id3v2_version": "0"})
        self._stream = self._container.add_stream(
            "libmp3lame", rate=rate_hz, layout="mono", bit_rate=_BIT_RATE
        )

    def feed(self, samples: Samples) -> None:
        """The next samples; none are nothing."""
        if len(samples):
            frame = self._frame(np.ascontiguousarray(samples)[np.newaxis], "s16p", "mono")
            frame.sample_rate = self._rate_hz
            self._container.mux(self._stream.encode(frame))

    def finish(self) -> bytes:
        """The file, whole. Comes last, after at least one sample."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._file.getvalue()

    def discard(self) -> None:
        """It will not be finished."""
        self._container.close()


def mp3_samples(file: bytes) -> tuple[Samples, int]:
    """The samples of one file and their rate; of several channels the mean. Raises CodecMissing, ValueError."""
    check_installed()
    import av

    try:
        with av.open(BytesIO(file), "r", format="mp3") as container:
            stream = container.streams.audio[0]
            mono = av.AudioResampler("s16", "mono")
            heard = [part for frame in container.decode(stream) for part in mono.resample(frame)]
            samples = np.concatenate([part.to_ndarray()[0] for part in heard])
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise ValueError(f"{len(file)} bytes are no MP3 file") from error
    return samples.astype(np.int16, copy=False), stream.rate
