"""Reads the audio in the body of a request by its content type, and writes WAV.

Wire: audio/wav is RIFF, 16-bit linear, one channel; audio/PCMU (RFC 4856) and audio/basic (RFC 2046) are mu-law at
8 kHz; audio/L16 (RFC 2586) is big endian and has its rate as a parameter. WAV is read by the standard library, as other
assistants would do it.
"""

import wave
from email.message import Message
from io import BytesIO
from typing import NamedTuple

from bridge.vocabulary.errors import BridgeError
from telecodecs.format import L16_8K, PCMU_8K, AudioFormat, Encoding

WAV_TYPES = ("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave")
PCMU_TYPES = ("audio/pcmu", "audio/basic")


class Unreadable(BridgeError):
    """A body is not what its content type says, or the content type is not audio. `status`: the HTTP status for it."""

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why)
        self.status = status


class Sound(NamedTuple):
    """Audio as bytes, and its format."""

    audio: bytes
    format: AudioFormat


def media_type(content_type: str) -> tuple[str, dict[str, str]]:
    """Split a content type such as `audio/L16;rate=16000`: the type in lower case, and its parameters."""
    header = Message()
    header["Content-Type"] = content_type
    return header.get_content_type(), dict(header.get_params(failobj=[])[1:])


def read_body(content_type: str, body: bytes) -> Sound:
    """The audio in a body. Raises `Unreadable` if it is not audio, or not of that type."""
    kind, parameters = media_type(content_type)
    if kind in WAV_TYPES:
        return _read_wav(body)
    if kind in PCMU_TYPES:
        return Sound(body, PCMU_8K)
    if kind == "audio/l16":
        return _read_l16(body, parameters)
    raise Unreadable(
        f"{content_type!r} is not audio; expected audio/wav, audio/PCMU or audio/L16;rate=…", 415
    )


def _read_wav(body: bytes) -> Sound:
    try:
        with wave.open(BytesIO(body)) as file:
            if file.getnchannels() != 1 or file.getsampwidth() != 2:
                raise Unreadable("the WAV file has another format; expected one channel of 16 bits", 400)
            return Sound(file.readframes(file.getnframes()), AudioFormat(Encoding.L16, file.getframerate()))
    except (wave.Error, EOFError, ValueError) as error:
        raise Unreadable(f"the body is not a WAV file: {error}", 400) from None


def _read_l16(body: bytes, parameters: dict[str, str]) -> Sound:
    rate = parameters.get("rate", "")
    if not rate.isdecimal() or len(body) % 2:
        raise Unreadable("audio/L16: expected the parameter rate, and two bytes for each sample", 400)
    try:
        return Sound(body, AudioFormat(Encoding.L16_BE, int(rate)))
    except ValueError as error:
        raise Unreadable(f"audio/L16: {error}", 400) from None


def wav(audio: bytes, format: AudioFormat = L16_8K) -> bytes:
    """A WAV file with this audio. `format`: 16-bit linear, little endian."""
    body = BytesIO()
    with wave.open(body, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(format.rate_hz)
        file.writeframes(audio)
    return body.getvalue()
