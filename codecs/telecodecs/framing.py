"""Cuts a stream of bytes into whole frames; the last one is padded with silence. Units: bytes."""


class Framer:
    """Cuts one stream; between calls it keeps less than one frame.

    `frame_bytes`: length of a frame. `silence`: the bytes of one silent sample, as `AudioFormat.silence` has them.
    Raises ValueError if a frame is not a whole number of samples.
    """

    def __init__(self, frame_bytes: int, silence: bytes) -> None:
        if frame_bytes <= 0 or not silence or frame_bytes % len(silence):
            raise ValueError(
                f"frame_bytes {frame_bytes} is not valid; expected a multiple of {len(silence)}, whole samples"
            )
        self._frame_bytes = frame_bytes
        self._silence = silence
        self._kept = b""

    @property
    def kept(self) -> int:
        """How many bytes wait for the rest of their frame."""
        return len(self._kept)

    def feed(self, audio: bytes) -> bytes:
        """All frames that are complete now, b"" if none; the object `audio` itself if nothing was kept or is left."""
        if self._kept:
            audio = self._kept + audio
        left = len(audio) % self._frame_bytes
        if not left:
            self._kept = b""
            return audio
        self._kept = audio[-left:]
        return audio[:-left]

    def finish(self) -> bytes:
        """The kept bytes, padded to a whole frame with silence; b"" if nothing was kept.

        A sample that was cut in two is completed with the remaining bytes of a silent sample.
        """
        if not self._kept:
            return b""
        silent_frame = self._silence * (self._frame_bytes // len(self._silence))
        frame = self._kept + silent_frame[len(self._kept) :]
        self._kept = b""
        return frame

    def discard(self) -> None:
        """Drop the kept bytes."""
        self._kept = b""
