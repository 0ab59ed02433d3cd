"""How long the place of a worker that has died stays empty."""

from bridge.shell.supervisor.back_off import BackOff


def test_each_failure_in_a_row_waits_twice_as_long() -> None:
    back_off = BackOff()
    assert [back_off.wait_s(0.1) for _ in range(7)] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_a_worker_that_has_lived_for_a_while_begins_a_new_row() -> None:
    back_off = BackOff()
    lived = [0.1, 59.0, 60.0, 0.1]
    assert [back_off.wait_s(lived_s) for lived_s in lived] == [1.0, 2.0, 1.0, 2.0]
