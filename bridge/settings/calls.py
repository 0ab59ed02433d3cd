"""The settings of all calls, whoever answers: [limits], [closing], [circuit], [silence] and [keypad]. The core states the defaults."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from bridge.core.circuit import CircuitRule
from bridge.core.entries import KeypadRules
from bridge.core.keypad import EntryRules
from bridge.core.timers import Limits
from bridge.settings.assistants import PlayFallback
from bridge.settings.table import Section
from bridge.vocabulary.events import KEYS

_LIMITS = Limits()
_KEYPAD = KeypadRules()
_CIRCUIT = CircuitRule()


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _checked_keys(keys: str) -> str:
    keys = keys.upper()
    if wrong := sorted(set(keys) - KEYS):
        raise ValueError(f"{', '.join(wrong)}: should be keys of the keypad, 0-9 * # A-D")
    return keys


Keys = Annotated[str, AfterValidator(_checked_keys)]


class LimitSettings(Section):
    """The table [limits]."""

    start_s: float = Field(
        _LIMITS.start_s,
        gt=0,
        description="How long the carrier may take from the opening of the socket to `start`",
    )
    open_s: float = Field(
        _LIMITS.open_s,
        gt=0,
        description="How long one try to connect the assistant may take until it is ready",
    )
    retry_s: float = Field(
        _LIMITS.retry_s,
        ge=0,
        le=3600,
        description="How long an assistant that was lost, or refused the call for a reason that may pass, is tried again "
        "before its fallback takes the call. 0: it is not tried again",
    )
    waiting_after_s: float = Field(
        _LIMITS.waiting_after_s,
        ge=0,
        description="How long the caller is without an assistant, or waits for a reply that failed and is asked for again, "
        "before the waiting signal is played, once. "
        "0: it is not played",
    )
    silent_s: float = Field(
        _LIMITS.silent_s,
        gt=0,
        description="How long the carrier may send nothing at all; it sends silence, too",
    )
    longest_call_s: float = Field(_LIMITS.longest_s, gt=0, description="How long a call may last")
    drain_s: float = Field(
        300.0,
        ge=0,
        description="How long calls under way may go on after SIGTERM or SIGINT. A second signal ends this time",
    )
    goodbye_s: float = Field(
        10.0,
        ge=0,
        description="How long a reply, a caller's sentence or an entry may take to end after that, before the goodbye",
    )
    linger_s: float = Field(
        0.0,
        ge=0,
        description="How long the port stays open after SIGTERM at least, also without calls: until load balancers have "
        "seen that `/readyz` answers 503",
    )
    max_calls: int | None = Field(
        None, ge=1, description="New calls are refused while there are so many. Not set: no limit"
    )
    max_calls_per_s: int | None = Field(
        None, ge=1, description="New calls taken within a second. Not set: no limit"
    )
    max_lag_ms: float = Field(
        20.0,
        ge=0,
        description="New calls are refused while the event loop calls back later than this (99th percentile of two "
        "seconds): audio of the calls under way would be late. 0: never",
    )
    connections_per_address: int = Field(
        100,
        ge=0,
        description="Connections from one address that are not calls; the oldest is dropped for a newer one. Not counted "
        "from loopback. 0: no limit, for a proxy on another machine",
    )


class ClosingSettings(Section):
    """The table [closing]."""

    goodbye: PlayFallback | None = Field(
        None,
        description='A WAV file that callers hear before the server stops and their call is closed: { play = "goodbye.wav" }. '
        "Not set: they hear nothing",
    )


class CircuitSettings(Section):
    """The table [circuit]."""

    failures: int = Field(
        _CIRCUIT.failures,
        ge=0,
        description="After so many failures of an assistant in a row, new calls go to its fallback at once; one call "
        "at a time finds out whether it is back. 0: never. An assistant without a fallback keeps its calls",
    )
    calls: int = Field(
        _CIRCUIT.calls, ge=1, description="The failures must have been in so many calls, at least"
    )
    first_pause_s: float = Field(
        _CIRCUIT.first_pause_s,
        gt=0,
        description="How long to wait before the first call that tries the assistant again",
    )
    longest_pause_s: float = Field(
        _CIRCUIT.longest_pause_s,
        gt=0,
        description="The pause doubles with each such call that fails, up to this",
    )

    def rule(self) -> CircuitRule:
        """Return these settings in the core's terms."""
        return CircuitRule(self.failures, self.calls, self.first_pause_s, self.longest_pause_s)


class SilenceSettings(Section):
    """The table [silence]."""

    comfort_noise_dbfs: float | None = Field(
        None,
        ge=-80,
        le=-20,
        description="The level of the noise that the assistant hears while the carrier pauses. Not set: digital silence",
    )


class KeypadSettings(Section):
    """The table [keypad]."""

    inter_digit_timeout_ms: int = Field(
        _milliseconds(_KEYPAD.entry.quiet_s),
        ge=200,
        le=10_000,
        description="An entry is over when no key came for so long",
    )
    first_digit_timeout_ms: int | None = Field(
        None if _KEYPAD.entry.first_s is None else _milliseconds(_KEYPAD.entry.first_s),
        ge=200,
        le=120_000,
        description="How long the first key of an entry that was asked for may take. Not set: 15 s",
    )
    terminators: Keys = Field(
        _KEYPAD.entry.terminators,
        max_length=16,
        description="Keys that end an entry; none of them is part of it",
    )
    max_digits: int = Field(
        _KEYPAD.entry.most, ge=1, le=128, description="An entry of so many digits is over"
    )
    min_digits: int = Field(
        _KEYPAD.entry.fewest, ge=1, le=128, description="An entry of fewer digits is reported as invalid"
    )
    cancel_key: Keys = Field(_KEYPAD.entry.cancel, max_length=1, description="The key that empties the entry")
    sensitive: bool = Field(
        _KEYPAD.sensitive,
        description="Every entry is sensitive: its digits go to tools only, and into no journal, log or recording",
    )
    interrupts: bool = Field(_KEYPAD.interrupts, description="The first key of an entry stops what is played")
    mute_ms: int = Field(
        _milliseconds(_KEYPAD.mute_s),
        ge=0,
        le=1000,
        description="How long the assistant hears silence after a key, so that its tone is not taken for speech",
    )
    in_band: bool = Field(
        _KEYPAD.in_band, description="Keys are detected in the audio, for carriers that do not report them"
    )

    @model_validator(mode="after")
    def _check_entry(self) -> Self:
        if self.min_digits > self.max_digits:
            raise ValueError(
                f"min_digits = {self.min_digits}: should not be more than max_digits, {self.max_digits}"
            )
        if self.cancel_key and self.cancel_key in self.terminators:
            raise ValueError(
                f"cancel_key = {self.cancel_key!r}: should not be one of terminators, {self.terminators!r}"
            )
        return self

    def rules(self) -> KeypadRules:
        """Return these settings in the core's terms: seconds, and one object for entries."""
        first_ms = self.first_digit_timeout_ms
        return KeypadRules(
            entry=EntryRules(
                quiet_s=self.inter_digit_timeout_ms / 1000,
                first_s=None if first_ms is None else first_ms / 1000,
                terminators=self.terminators,
                most=self.max_digits,
                fewest=self.min_digits,
                cancel=self.cancel_key,
            ),
            sensitive=self.sensitive,
            interrupts=self.interrupts,
            mute_s=self.mute_ms / 1000,
            in_band=self.in_band,
        )
