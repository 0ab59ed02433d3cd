"""Keys and their times, as typed on the command line."""

import pytest

from bridge.simulators.phone.plan import Digit, read_digits
from bridge.vocabulary.errors import ConfigurationError

READS = [
    ("", ()),
    (" , ,", ()),
    ("5@2.5s", (Digit("5", 2500),)),
    ("1@2.5s,2@2.8s", (Digit("1", 2500), Digit("2", 2800))),
    (" 1@0s , 1@0.02s ", (Digit("1", 0), Digit("1", 20))),
    ("2@3s,1@1s", (Digit("2", 3000), Digit("1", 1000))),  # the handset puts them in order
    ("*@1s,#@2s,0@3s", (Digit("*", 1000), Digit("#", 2000), Digit("0", 3000))),
    ("a@1s,D@2s", (Digit("A", 1000), Digit("D", 2000))),
    ("7@1.0006s", (Digit("7", 1001),)),
]
REFUSES = [
    ("5", "5"),
    ("5@", "5@"),
    ("5@2.5", "5@2.5"),
    ("5@2500ms", "5@2500ms"),
    ("@2s", "@2s"),
    ("55@2s", "55@2s"),
    ("E@2s", "E@2s"),
    ("5@-1s", "5@-1s"),
    ("5@.5s", "5@.5s"),
    ("5@1.s", "5@1.s"),
    ("5@1e3s", "5@1e3s"),
    ("5@2s extra", "5@2s extra"),
    ("1@1s;2@2s", "1@1s;2@2s"),
    ("1@1s,zwei@2s,x", "zwei@2s"),  # the first that is wrong
]


@pytest.mark.parametrize(("text", "digits"), READS)
def test_reads(text: str, digits: tuple[Digit, ...]) -> None:
    assert read_digits(text) == digits


@pytest.mark.parametrize(("text", "entry"), REFUSES)
def test_refuses_and_names_the_entry_and_what_was_expected(text: str, entry: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        read_digits(text)
    assert str(refusal.value).startswith(
        f"--digits: {entry!r} is not a key and a time; expected for example 5@2.5s"
    )
