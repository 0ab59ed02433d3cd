"""Our clock against the Date headers of others."""

import pytest

from bridge.simulators.doctor.clock import Clock
from bridge.simulators.doctor.findings import Level

DATE, AT = "Mon, 30 Nov 2026 12:00:00 GMT", 1796040000.0


@pytest.mark.parametrize(
    ("ahead_s", "took_s", "level", "said"),
    [
        (0.5, 0.1, Level.OK, "agrees with that of api"),
        (5.4, 0.1, Level.OK, "agrees"),
        (7.0, 0.1, Level.WARNING, "about 6 s ahead of that of api"),
        (-7.0, 0.1, Level.WARNING, "about 8 s behind that of api"),
        (7.0, 8.0, Level.OK, "agrees"),
        (90.0, 0.1, Level.FAULT, "about 90 s ahead of"),
        (-3600.0, 0.1, Level.FAULT, "about 3600 s behind"),
    ],
)
def test_a_server_says_when_it_is(ahead_s: float, took_s: float, level: Level, said: str) -> None:
    clock = Clock()
    clock.saw("api", DATE, AT + ahead_s - took_s / 2, AT + ahead_s + took_s / 2)
    (finding,) = clock.findings()
    assert finding.level is level, finding
    assert said in finding.found


def test_one_server_with_a_wrong_clock_is_not_believed_against_a_right_one() -> None:
    clock = Clock()
    clock.saw("wrong", DATE, AT + 300, AT + 300.1)
    clock.saw("right", DATE, AT, AT + 0.2)
    (finding,) = clock.findings()
    assert (finding.level, "right" in finding.found) == (Level.OK, True)


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 99 Nov 2026 12:00:00 GMT"])
def test_what_is_no_date_says_nothing(date: str | None) -> None:
    clock = Clock()
    clock.saw("api", date, AT, AT)
    assert [finding.level for finding in clock.findings()] == [Level.SKIPPED]
