"""Sensitive entries: digits in place of placeholders, and placeholders in place of digits."""

import pytest

from bridge.core.sensitive_entries import SensitiveEntries
from bridge.vocabulary.commands import EnterDigits


@pytest.fixture
def entries() -> SensitiveEntries:
    entries = SensitiveEntries()
    entries.add(EnterDigits("4111222233334444", placeholder="entry-1"))
    entries.add(EnterDigits("99", placeholder="entry-2"))
    entries.add(EnterDigits("555"))
    entries.add(EnterDigits("*12#", placeholder="entry-10"))
    return entries


@pytest.mark.parametrize(
    ("text", "revealed"),
    [
        ('{"card":"entry-1"}', '{"card":"4111222233334444"}'),
        ('{"pin":"entry-2","card":"entry-1"}', '{"pin":"99","card":"4111222233334444"}'),
        ('{"code":"entry-10"}', '{"code":"*12#"}'),
        ('{"reentry-1":"entry-1a","entry-3":""}', '{"reentry-1":"entry-1a","entry-3":""}'),
        ("{}", "{}"),
    ],
)
def test_a_placeholder_stands_for_the_digits(entries: SensitiveEntries, text: str, revealed: str) -> None:
    assert entries.reveal(text) == revealed


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("4111222233334444 is good", "entry-1 is good"),
        ('{"paid":"4111222233334444"}', '{"paid":"entry-1"}'),
        ("04111222233334444", "04111222233334444"),  # another number
        ("99 bottles", "99 bottles"),  # too short to be told from other numbers
        ("555", "555"),
        ("the code *12# is", "the code entry-10 is"),
    ],
)
def test_the_digits_become_the_placeholder(entries: SensitiveEntries, text: str, masked: str) -> None:
    assert entries.mask(text) == masked
