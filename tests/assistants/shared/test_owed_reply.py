"""When an assistant owes a reply, step by step."""

from bridge.assistants.shared.owed_reply import OwedReply
from bridge.assistants.shared.reply_timeout import ReplyTimeout


def test_a_reply_is_owed_for_its_time_and_no_longer() -> None:
    owed = OwedReply(5.0)
    assert not owed.is_owed(0.0)
    owed.ask(1.0)
    assert owed.is_owed(1.0)
    assert owed.is_owed(5.9)
    assert not owed.is_owed(6.0)
    owed.ask(7.0)
    owed.ask(9.0)
    assert owed.is_owed(13.9), "each request, or sign of the reply, counts"
    owed.settle()
    assert not owed.is_owed(9.1)


def test_a_timeout_says_what_is_owed() -> None:
    timeout = ReplyTimeout(5.0)
    assert not timeout.is_owed(0.0)
    timeout.start(1.0)
    timeout.start(3.0)
    assert timeout.is_owed(5.9)
    assert not timeout.is_owed(6.0)
    assert timeout.retry_once(6.0)
    assert timeout.is_owed(10.9), "it was requested again"
    timeout.go_on(10.0)
    assert timeout.is_owed(14.9), "it has begun"
    timeout.suspend()
    assert timeout.deadline() is None
    assert timeout.is_owed(14.9), "a caller who speaks into it takes no work from a server that is busy"
    timeout.stop()
    assert not timeout.is_owed(11.0)
