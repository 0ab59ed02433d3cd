"""Lines that strangers cause: one a second of each kind, and how many it stands for."""

import pytest
from structlog.testing import capture_logs

from bridge.shell import sampled_log
from bridge.shell.sampled_log import MOST_KINDS, SampledLog, Sampler


def test_one_line_a_second_of_each_kind() -> None:
    sampler = Sampler()
    rows = [
        (0.0, "a", 0),
        (0.1, "a", None),
        (0.1, "b", 0),
        (0.99, "a", None),
        (1.0, "a", 2),
        (1.5, "b", 0),
        (2.0, "a", 0),
    ]
    assert [sampler.left_out(kind, now) for now, kind, _ in rows] == [expected for *_, expected in rows]


def test_kinds_beyond_a_bound_are_one() -> None:
    sampler = Sampler()
    written = [sampler.left_out(str(n), 0.0) for n in range(1_000)]
    assert written.count(0) == MOST_KINDS + 1
    assert len(sampler._next) == MOST_KINDS + 1


def test_the_next_line_says_how_many_were_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    times = [0.0]
    monkeypatch.setattr(sampled_log, "clock", lambda: times[-1])
    lines = SampledLog()
    with capture_logs() as log:
        for now in (0.0, 0.2, 0.4, 1.2):
            times.append(now)
            lines.write("warning", "404", "refused", path=f"/{now}")
    assert log == [
        {"event": "refused", "log_level": "warning", "path": "/0.0"},
        {"event": "refused", "log_level": "warning", "path": "/1.2", "left_out": 2},
    ]
