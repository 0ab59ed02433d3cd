"""The reply timeout, step by step: when it ends, and whether a response is requested again."""

from bridge.assistants.shared.reply_timeout import ReplyTimeout


def test_no_response_at_all_is_requested_once_more() -> None:
    timeout = ReplyTimeout(5.0)
    assert timeout.deadline() is None
    timeout.start(1.0)
    timeout.start(3.0)
    assert timeout.deadline() == 6.0, "a second start does not put it off"
    assert not timeout.is_over(5.9)
    assert timeout.is_over(6.0)
    assert timeout.retry_once(6.0)
    assert timeout.deadline() == 11.0
    assert not timeout.retry_once(11.0)
    assert timeout.deadline() is None


def test_a_response_that_stops_in_the_middle_is_not_requested_again() -> None:
    timeout = ReplyTimeout(5.0)
    timeout.start(1.0)
    timeout.go_on(4.0)
    assert timeout.deadline() == 9.0
    assert not timeout.retry_once(9.0)


def test_the_next_turn_has_its_own_retry() -> None:
    timeout = ReplyTimeout(5.0)
    timeout.start(1.0)
    timeout.retry_once(6.0)
    timeout.stop()
    assert timeout.deadline() is None
    timeout.start(20.0)
    assert timeout.retry_once(25.0)
