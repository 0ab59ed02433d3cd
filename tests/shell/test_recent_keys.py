"""The keys that were added last: how many, how long, and in how much memory."""

import sys
import tracemalloc

from bridge.shell.recent_keys import RecentKeys


def test_the_last_keys_are_remembered() -> None:
    keys = RecentKeys(3)
    assert not keys.has("a")
    for key in "abcd":
        keys.add(key)
    assert [key for key in "abcd" if keys.has(key)] == ["b", "c", "d"]


def test_a_key_is_remembered_until_its_time_has_come() -> None:
    keys = RecentKeys(10)
    keys.add(("twilio", "CA1"), 10.0)
    keys.add(("telnyx", "CA1"), 20.0)
    assert keys.has(("twilio", "CA1"), 9.9)
    assert not keys.has(("twilio", "CA1"), 10.0)
    assert keys.has(("telnyx", "CA1"), 10.0)


def test_a_key_that_is_added_again_is_remembered_for_longer() -> None:
    keys = RecentKeys(10)
    keys.add("a", 10.0)
    keys.add("a", 20.0)
    keys.add("a", 15.0)
    assert keys.has("a", 19.0)


def test_more_keys_take_no_more_memory() -> None:
    keys = RecentKeys(1_000)
    tracemalloc.start()
    for number in range(2_000):
        keys.add(("twilio", f"CA{number}"), float(number))
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 10 * sys.getsizeof(("twilio", "CA1"))
