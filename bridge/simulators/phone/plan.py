"""What the caller will do in one call: speak, press keys, hang up."""

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
    """One call from the caller's side. Audio is in the format of the carrier's `line`; after it the caller is silent."""

    audio: bytes = b""
    digits: tuple[Digit, ...] = ()
    linger_s: float = 1.5
    """Hang up when nobody has made a sound for so long, once all is said and pressed."""
    longest_s: float = 60.0
    """Hang up after this in any case."""
    hang_up_at_ms: int | None = None
    die_at_ms: int | None = None
    """Break the connection without `stop`, as a lost network does."""
    drop_at_ms: int | None = None
    """Break the connection, and have the carrier dial again; one that does not dial again counts it as `die_at_ms`."""
    back_after_ms: int = 200
    """How long the carrier takes before it dials again."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """For a media socket called directly; a webhook's answer names its own. So also the two below."""
    tracks: tuple[str, ...] = ("inbound",)
    one_way: bool = False
    other_party: bytes = b""
    """What the carrier plays to the caller: the `outbound` track, where a stream listens to it."""
    keeps_trace: bool = True
    """Keep every message for `CallReport.trace`; under load it costs memory."""


def read_digits(text: str) -> tuple[Digit, ...]:
    """Keys and when: "1@2.5s,2@2.8s". Raises `ConfigurationError` at what it cannot read."""
    digits: list[Digit] = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"([0-9*#A-Da-d])@(\d+(?:\.\d+)?)s", entry)
        if match is None:
            raise ConfigurationError(f"--digits: {entry!r} is no key and time; 5@2.5s is: key 5 after 2.5 s")
        digits.append(Digit(match[1].upper(), round(float(match[2]) * 1000)))
    return tuple(digits)
