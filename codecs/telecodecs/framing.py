"""Cuts a stream of bytes into whole frames; the last one is filled up with silence.

Units: bytes. Knows neither encoding nor rate: the frame's length and one sample of silence are given.
"""


class Framer:
    """Keeps less than one frame between calls.

    `frame_bytes`: length of a frame. `silence`: one sample of it, as in `AudioFormat`.
    Raises ValueError if a frame is not made of whole samples.
    """

    def __init__(self, frame_bytes: int, silence: bytes) -> None:
        if frame_bytes <= 0 or not silence or frame_bytes % len(silence):
            raise ValueError(
                f"frame_bytes {frame_bytes} is not a whole number of samples of {len(silence)} bytes"
            )
        self._frame_bytes = frame_bytes
        self._silence = silence
        self._kept = b""

    @property
    def kept(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._kept)

    def feed(self, audio: bytes) -> bytes:
        """All whole frames there are now, b"" if none; `audio` itself where it needs no cut."""
        if self._kept:
            audio = self._kept + audio
        left = len(audio) % self._frame_bytes
        if not left:
            self._kept = b""
            return audio
        self._kept = audio[-left:]
        return audio[:-left]

    def finish(self) -> bytes:
        """What was kept, filled up to a whole frame with silence; b"" if nothing was.

        A sample that was cut in two is completed with the same bytes of a silent one.
        """
        if not self._kept:
            return b""
        silent_frame = self._silence * (self._frame_bytes // len(self._silence))
        frame = self._kept + silent_frame[len(self._kept) :]
        self._kept = b""
        return frame

    def discard(self) -> None:
        """Forget what was kept."""
        self._kept = b""
