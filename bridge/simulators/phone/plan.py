"""Describes what the caller does in one call: speak, press keys, hang up."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.vocabulary.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Digit:
    """One key, pressed `at_ms` after the stream started."""

    digit: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What the caller does in one call. Audio is in the format of the carrier's `line`; after it the caller is silent."""

    audio: bytes = b""
    digits: tuple[Digit, ...] = ()
    linger_s: float = 1.5
    """Hang up after so much silence from both sides, once the audio and the keys have been sent."""
    longest_s: float = 60.0
    """Hang up after this time in any case."""
    hang_up_at_ms: int | None = None
    die_at_ms: int | None = None
    """Break the connection without `stop`, as when a network fails; the call is over."""
    drop_at_ms: int | None = None
    """Break the connection and let the carrier connect again; with a carrier that does not, the same as `die_at_ms`."""
    back_after_ms: int = 200
    """How long the carrier waits before it connects again."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Custom parameters of the stream. This and the next two are for a media socket called directly: a webhook's answer
    names its own."""
    tracks: tuple[str, ...] = ("inbound",)
    one_way: bool = False
    other_party: bytes = b""
    """Audio that the carrier plays to the caller, sent as the track `outbound` if the stream has it."""
    keeps_trace: bool = True
    """Keep every message for `CallReport.trace`; in load tests that costs memory."""


def read_digits(text: str) -> tuple[Digit, ...]:
    """Read keys and times such as "1@2.5s,2@2.8s". Raises `ConfigurationError` on anything else."""
    digits: list[Digit] = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"([0-9*#A-Da-d])@(\d+(?:\.\d+)?)s", entry)
        if match is None:
            raise ConfigurationError(
                f"--digits: {entry!r} is not a key and a time; expected for example 5@2.5s, key 5 after 2.5 s"
            )
        digits.append(Digit(match[1].upper(), round(float(match[2]) * 1000)))
    return tuple(digits)
