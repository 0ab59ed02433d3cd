"""What the settings' file may say of calls, whoever answers: [limits], [silence] and [keypad]."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from bridge.core.entries import KeypadRules
from bridge.core.keypad import EntryRules
from bridge.settings.table import Section

KEYS = "0123456789*#ABCD"


def _are_keys(keys: str) -> str:
    keys = keys.upper()
    if wrong := sorted(set(keys) - set(KEYS)):
        raise ValueError(f"{', '.join(wrong)}: should be keys of the keypad, 0-9 * # A-D")
    return keys


Keys = Annotated[str, AfterValidator(_are_keys)]


class LimitSettings(Section):
    """[limits], in seconds"""

    start_s: float = Field(10.0, gt=0, description="from the socket to the carrier's start")
    open_s: float = Field(5.0, gt=0, description="from the start to the assistant's readiness")
    silent_s: float = Field(60.0, gt=0, description="how long the carrier may send nothing at all")
    longest_call_s: float = Field(4 * 3600.0, gt=0)
    drain_s: float = Field(30.0, ge=0, description="how long calls may go on after SIGTERM")


class SilenceSettings(Section):
    """[silence]"""

    comfort_noise_dbfs: float | None = Field(
        None,
        ge=-80,
        le=-20,
        description="what an assistant hears while the carrier pauses; digital silence without",
    )


class KeypadSettings(Section):
    """[keypad]"""

    inter_digit_timeout_ms: int = Field(1000, ge=200, le=10_000, description="the last key was so long ago")
    first_digit_timeout_ms: int | None = Field(
        None, ge=200, le=120_000, description="for the first key of an entry that was asked for"
    )
    terminators: Keys = Field("#", max_length=16, description="each ends an entry and is no part of it")
    max_digits: int = Field(32, ge=1, le=128)
    min_digits: int = Field(1, ge=1, le=128, description="an entry of fewer is told as invalid")
    cancel_key: Keys = Field("", max_length=1, description="empties the entry")
    sensitive: bool = Field(
        False, description="what is typed is told to tools alone, and written down nowhere"
    )
    interrupts: bool = Field(True, description="the first key stops what is played")
    mute_ms: int = Field(
        150, ge=0, le=1000, description="so long after a key the assistant hears silence; tones may leak"
    )
    in_band: bool = Field(
        False, description="keys are heard in the audio, for carriers that do not tell them"
    )

    @model_validator(mode="after")
    def _can_end(self) -> Self:
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
        """For the core."""
        first_ms = self.first_digit_timeout_ms
        return KeypadRules(
            EntryRules(
                self.inter_digit_timeout_ms / 1000,
                None if first_ms is None else first_ms / 1000,
                self.terminators,
                self.max_digits,
                self.min_digits,
                self.cancel_key,
            ),
            self.sensitive,
            self.interrupts,
            self.mute_ms / 1000,
            self.in_band,
        )
