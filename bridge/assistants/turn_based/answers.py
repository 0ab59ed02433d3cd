"""Reads the response to a POST: a reply as audio, or JSON with audio in it, in several formats.

Wire: audio/wav; audio/PCMU, audio/basic and audio/PCMA (G.711 at 8000 Hz; RFC 4856, RFC 2046); audio/L16;rate=… (big endian,
mono, RFC 2586); application/octet-stream, which is a WAV file or as the settings say; application/json:
{"audio": base64, "format": "wav" | "l16/24000" | …, "text": …, "understood": …, "hang_up": true,
"transfer": person, "why": …, "summary": …}, each of them optional;
204, or no body: nothing to say.
"""

from collections.abc import Callable
from http import HTTPStatus

import msgspec

from bridge.assistants.turn_based.settings import audio_format
from bridge.assistants.turn_based.transport import WholeReply
from bridge.vocabulary.contracts import Posted
from telecodecs.codec import decoder, encoder
from telecodecs.format import PCMA_8K, PCMU_8K, AudioFormat, Encoding, Samples
from telecodecs.resample import resample
from telecodecs.wav import wav_decode

ACCEPTED = "audio/wav, audio/basic, audio/PCMU, audio/PCMA, audio/L16, application/json"

LONGEST_S = 900.0
"""Of a reply. Converting more would block the event loop, and no caller listens that long."""

_WAV = ("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave")
_G711 = {"audio/pcmu": PCMU_8K, "audio/basic": PCMU_8K, "audio/pcma": PCMA_8K}


class _Answer(msgspec.Struct):
    audio: bytes = b""
    format: str = ""
    text: str = ""
    understood: str = ""
    hang_up: bool = False
    transfer: str = ""
    why: str = ""
    summary: str = ""


_ANSWER = msgspec.json.Decoder(_Answer)


def read_answer(posted: Posted, reply_format: str | None, speaks: AudioFormat) -> WholeReply:
    """The reply, converted to the format `speaks`. `reply_format`: of audio whose content type does not say.

    Raises ValueError with what is wrong and what was expected.
    """
    if posted.status == 0:
        raise ValueError(posted.body.decode(errors="replace"))
    if not 200 <= posted.status < 300:
        raise ValueError(
            f"it answered with {_status(posted.status)}: expected 200, or 204 for nothing to say"
        )
    if not posted.body or posted.status == HTTPStatus.NO_CONTENT:
        return WholeReply(b"")
    kind, parameters = _media_type(posted.content_type)
    if kind == "application/json":
        return _read_json(posted.body, reply_format, speaks)
    return WholeReply(_converted(_reader(kind, parameters, reply_format, posted.body), posted.body, speaks))


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _media_type(content_type: str) -> tuple[str, dict[str, str]]:
    kind, *rest = (part.strip() for part in content_type.lower().split(";"))
    pairs = (part.partition("=") for part in rest)
    return kind, {name.strip(): value.strip().strip('"') for name, _, value in pairs}


_Read = Callable[[bytes], tuple[Samples, int]]


def _reader(
    kind: str, parameters: dict[str, str], reply_format: str | None, body: bytes
) -> _Read | AudioFormat:
    if kind in _WAV:
        return wav_decode
    if kind in _G711:
        return _G711[kind]
    if kind == "audio/l16":
        return _l16(parameters)
    if kind in ("application/octet-stream", ""):
        return _unnamed_format(reply_format, body)
    raise ValueError(f"it answered with {kind[:80]!r}: expected one of {ACCEPTED}")


def _l16(parameters: dict[str, str]) -> AudioFormat:
    rate, channels = parameters.get("rate", ""), parameters.get("channels", "1")
    if not (rate.isdecimal() and rate.isascii() and len(rate) < 7) or channels != "1":
        raise ValueError("its audio/L16 should say its rate, audio/L16;rate=16000, and have one channel")
    return AudioFormat(Encoding.L16_BE, int(rate))


def _unnamed_format(reply_format: str | None, body: bytes) -> _Read | AudioFormat:
    if reply_format is not None:
        return audio_format(reply_format)
    if body.startswith(b"RIFF"):
        return wav_decode
    raise ValueError("its audio does not say its format; reply_format should say it, or a content type")


def _converted(source: _Read | AudioFormat, body: bytes, speaks: AudioFormat) -> bytes:
    """Raises ValueError if the bytes cannot be decoded, or are too many."""
    if isinstance(source, AudioFormat):
        if source == speaks and not len(body) % speaks.sample_bytes:
            return body
        samples, rate_hz = decoder(source)(body), source.rate_hz
    else:
        samples, rate_hz = source(body)
    if len(samples) > LONGEST_S * rate_hz:
        raise ValueError(f"its reply is longer than {LONGEST_S:g} s")
    return encoder(speaks)(resample(samples, rate_hz, speaks.rate_hz))


def _read_json(body: bytes, reply_format: str | None, speaks: AudioFormat) -> WholeReply:
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"its JSON cannot be read: {error}") from None
    audio = b""
    if answer.audio:
        audio = _converted(_json_format(answer, reply_format), answer.audio, speaks)
    return WholeReply(
        audio,
        answer.text,
        answer.understood,
        hang_up=answer.hang_up,
        transfer=answer.transfer,
        why=answer.why,
        summary=answer.summary,
    )


def _json_format(answer: _Answer, reply_format: str | None) -> _Read | AudioFormat:
    if answer.format.lower() == "wav":
        return wav_decode
    if not answer.format:
        return _unnamed_format(reply_format, answer.audio)
    try:
        return audio_format(answer.format)
    except ValueError as error:
        raise ValueError(f"its format {error}, or wav") from None
