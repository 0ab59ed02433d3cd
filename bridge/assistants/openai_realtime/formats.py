"""The audio formats of a session, as the server confirmed them, as `AudioFormat`s.

Wire: OpenAI, "Realtime API", `session.audio.input.format` and `.output.format`; in the beta, and on servers that still speak it,
`input_audio_format` and `output_audio_format`. Rates are Hz.
"""

from typing import Any, NamedTuple

import msgspec

from bridge.assistants.openai_realtime.server_events import SessionBody, SessionFormat
from telecodecs.format import AudioFormat, Encoding
from telecodecs.resample import RATES_HZ

_ENCODINGS = {
    "audio/pcmu": Encoding.PCMU,
    "audio/pcma": Encoding.PCMA,
    "audio/pcm": Encoding.L16,
    "g711_ulaw": Encoding.PCMU,
    "g711_alaw": Encoding.PCMA,
    "pcm16": Encoding.L16,
}
_RATE_HZ = {Encoding.PCMU: 8_000, Encoding.PCMA: 8_000, Encoding.L16: 24_000}
"""For a wire format without a rate."""


class Formats(NamedTuple):
    """The formats that the assistant hears and speaks."""

    hears: AudioFormat
    speaks: AudioFormat


def asked(session: dict[str, Any], line: Formats) -> Formats:
    """The formats that `session` asks for."""
    return confirmed(msgspec.convert(session, SessionBody), line)


def confirmed(session: SessionBody, asked: Formats) -> Formats:
    """The formats that the server confirmed; one that it does not name is as asked.

    Raises ValueError, with the name of the format, if the bridge cannot convert it.
    """
    hears, speaks = session.hears, session.speaks
    return Formats(
        asked.hears if hears is None else _format(hears),
        asked.speaks if speaks is None else _format(speaks),
    )


def _format(wire: SessionFormat) -> AudioFormat:
    encoding = _ENCODINGS.get(wire.type)
    if encoding is None:
        raise ValueError(wire.type)
    rate_hz = wire.rate or _RATE_HZ[encoding]
    if rate_hz not in RATES_HZ:
        raise ValueError(f"{wire.type} at {rate_hz} Hz")
    return AudioFormat(encoding, rate_hz)
