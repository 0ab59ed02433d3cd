"""The audio formats of the stream protocol: those offered for a call, and the one that the assistant chose.

Wire: docs/stream-assistants.md, `{"encoding": "l16", "rate_hz": 16000}`; L16 is little endian; one channel.
"""

from typing import Literal

from msgspec import Struct

from telecodecs.format import L16_8K, L16_16K, L16_24K, PCMA_8K, PCMU_8K, AudioFormat, Encoding

KNOWN = (PCMU_8K, PCMA_8K, L16_8K, L16_16K, L16_24K, AudioFormat(Encoding.L16, 48_000))


class WireFormat(Struct, frozen=True, forbid_unknown_fields=True):
    """A format on the wire."""

    encoding: Literal["pcmu", "pcma", "l16"]
    rate_hz: int

    def __str__(self) -> str:
        return f"{self.encoding}/{self.rate_hz}"


def wire_format(line: AudioFormat) -> WireFormat:
    """A format as on the wire, where L16 is always little endian, whatever the call's byte order is."""
    match line.encoding:
        case Encoding.PCMU:
            return WireFormat("pcmu", line.rate_hz)
        case Encoding.PCMA:
            return WireFormat("pcma", line.rate_hz)
        case Encoding.L16 | Encoding.L16_BE:
            return WireFormat("l16", line.rate_hz)


def offered(line: AudioFormat) -> list[WireFormat]:
    """The formats to choose from, the call's own first."""
    own = wire_format(line)
    known = [wire_format(format) for format in KNOWN]
    return sorted(known, key=lambda format: format != own)


def chosen(field: str, choice: WireFormat | None, line: AudioFormat) -> AudioFormat:
    """The assistant's choice, or the first on offer if it made none. Raises ValueError, with those on offer."""
    offer = offered(line)
    choice = choice or offer[0]
    if choice not in offer:
        raise ValueError(f"{field}: {choice} is not on offer: expected one of {', '.join(map(str, offer))}")
    return AudioFormat(Encoding(choice.encoding), choice.rate_hz)
