"""The tables [keypad], [limits] and [silence]: what they become, and what is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from bridge.config.settings import Settings
from bridge.core.entries import KeypadRules
from bridge.core.keypad import EntryRules
from bridge.core.timers import Limits
from bridge.settings.faults import describe, faults_in


def test_by_default_an_entry_ends_after_a_second_or_with_a_hash() -> None:
    assert Settings.model_validate({}).keypad.rules() == KeypadRules(
        entry=EntryRules(quiet_s=1.0, first_s=None, terminators="#", most=32, fewest=1, cancel=""),
        sensitive=False,
        interrupts=True,
        mute_s=0.15,
        in_band=False,
    )


def test_by_default_the_rules_and_limits_are_the_core_s() -> None:
    assert Settings.model_validate({}).keypad.rules() == KeypadRules()
    limits, core = Settings.model_validate({}).limits, Limits()
    assert (limits.start_s, limits.open_s) == (core.start_s, core.open_s) == (10.0, 5.0)
    assert (limits.silent_s, limits.longest_call_s) == (core.silent_s, core.longest_s) == (10.0, 14_400.0)


def test_everything_can_be_set() -> None:
    table = {
        "inter_digit_timeout_ms": 2500,
        "first_digit_timeout_ms": 8000,
        "terminators": "#d",
        "max_digits": 16,
        "min_digits": 4,
        "cancel_key": "*",
        "sensitive": True,
        "interrupts": False,
        "mute_ms": 0,
        "in_band": True,
    }
    rules = Settings.model_validate({"keypad": table}).keypad.rules()
    assert rules == KeypadRules(
        entry=EntryRules(quiet_s=2.5, first_s=8.0, terminators="#D", most=16, fewest=4, cancel="*"),
        sensitive=True,
        interrupts=False,
        mute_s=0.0,
        in_band=True,
    )


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"keypad": {"terminators": "#x"}}, "keypad.terminators = '#x': X: should be keys of the keypad, 0-9 * # A-D"),
    ({"keypad": {"inter_digit_timeout_ms": 50}}, "keypad.inter_digit_timeout_ms = 50: Input should be greater than or equal to 200"),
    ({"keypad": {"max_digits": 200}}, "keypad.max_digits = 200: Input should be less than or equal to 128"),
    ({"keypad": {"min_digits": 5, "max_digits": 4}}, "keypad: min_digits = 5: should not be more than max_digits, 4"),
    ({"keypad": {"cancel_key": "#"}}, "keypad: cancel_key = '#': should not be one of terminators, '#'"),
    ({"keypad": {"cancel_key": "**"}}, "keypad.cancel_key: String should have at most 1 character"),
    ({"silence": {"comfort_noise_dbfs": -10}}, "silence.comfort_noise_dbfs = -10: Input should be less than or equal to -20"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "refusal"), REFUSED)
def test_refuses(table: dict[str, Any], refusal: str) -> None:
    with pytest.raises(ValidationError) as error:
        Settings.model_validate(table)
    assert [describe(fault) for fault in faults_in(error.value, table)] == [refusal]
