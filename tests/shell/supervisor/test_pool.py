"""Which worker gets a connection: rows of what happened to two or three workers, and who is chosen."""

from collections import Counter

import pytest

from bridge.shell.supervisor import pool as pools
from bridge.shell.supervisor.messages import Load
from bridge.shell.supervisor.pool import Pool
from bridge.shell.supervisor.request import Destination

NEW = Destination(may_begin_call=True)
OTHER = Destination()
CALL = ("twilio", "CA1")
OF_CALL = Destination(call=CALL, may_begin_call=True)
TOKEN_OF_2 = Destination(owner="owner-2")
TOKEN_OF_NOBODY = Destination(owner="owner-9")


def pool_of(*numbers: int) -> Pool:
    pool = Pool()
    for number in numbers:
        pool.add(number)
        pool.ready_as(number, f"owner-{number}")
    return pool


def chosen(pool: Pool, where: Destination, *without: int) -> int | None:
    choice = pool.choose(where, without)
    return choice and choice[0]


def test_a_burst_of_calls_spreads_evenly_before_anybody_has_reported() -> None:
    pool = pool_of(1, 2, 3, 4)
    assert set(Counter(chosen(pool, NEW) for _ in range(400)).values()) == {100}


def test_the_fewest_calls_count_and_what_is_on_its_way() -> None:
    pool = pool_of(1, 2)
    pool.report(1, Load(received=0, calls=2, coming=0))
    pool.report(2, Load(received=0, calls=0, coming=1))
    assert [chosen(pool, NEW) for _ in range(3)] == [2, 1, 2]
    pool.report(2, Load(received=2, calls=0, coming=0))  # both were refused
    assert [chosen(pool, NEW) for _ in range(3)] == [2, 2, 2]


def test_a_worker_that_hangs_gets_few() -> None:
    pool = pool_of(1, 2)
    pool.report(1, Load(received=0, calls=100, coming=0))
    received = 0
    for _ in range(50):
        if chosen(pool, NEW) == 1:
            received += 1
            pool.report(1, Load(received, 100, coming=received))
    assert received == 50 - (pools.MOST_UNREAD + 1)


def test_what_begins_no_call_is_no_load() -> None:
    pool = pool_of(1, 2)
    pool.report(1, Load(received=0, calls=1, coming=0))
    assert {chosen(pool, OTHER) for _ in range(10)} == {2}
    assert chosen(pool, NEW) == 2


def test_equal_workers_take_turns_also_when_one_is_new() -> None:
    pool = pool_of(1, 2)
    assert [chosen(pool, OTHER) for _ in range(4)] == [1, 2, 1, 2]
    pool.add(3)
    pool.ready_as(3, "owner-3")
    assert [chosen(pool, OTHER) for _ in range(6)] == [3, 1, 2, 3, 1, 2]


CHOICES = [
    ("the token's owner, however many calls it has", TOKEN_OF_2, (), (2, False)),
    ("the token's owner cannot be reached", TOKEN_OF_2, (2,), None),
    ("the token of a worker that is gone: somebody refuses it", TOKEN_OF_NOBODY, (), (1, False)),
    ("the worker that has the call", OF_CALL, (), (2, False)),
    ("that worker cannot be reached", OF_CALL, (2,), None),
    ("the handle's owner", Destination("owner-1", CALL, may_begin_call=True), (), (1, False)),
    ("the owner is gone: the worker that has the call", Destination("owner-9", CALL, may_begin_call=True), (), (2, False)),
    ("the owner is gone, and nobody has the call", Destination("owner-9", ("twilio", "CA2"), may_begin_call=True), (), (1, True)),
    ("the worker of the call that is steered", Destination(call_id="CA1"), (), (2, False)),
    ("a call that nobody has is steered", Destination(call_id="CA2"), (), (1, False)),
    ("another call", Destination(call=("twilio", "CA2"), may_begin_call=True), (), (1, True)),
    ("the same id of another carrier", Destination(call=("telnyx", "CA1"), may_begin_call=True), (), (1, True)),
    ("the first choice cannot be reached", NEW, (1,), (2, True)),
    ("nobody can be reached", NEW, (1, 2), None),
]  # fmt: skip


@pytest.mark.parametrize(("where", "without", "choice"), [row[1:] for row in CHOICES], ids=[row[0] for row in CHOICES])  # fmt: skip
def test_chooses(where: Destination, without: tuple[int, ...], choice: tuple[int, bool] | None) -> None:
    pool = pool_of(1, 2)
    pool.report(2, Load(received=0, calls=7, coming=0))
    pool.knows(2, CALL)
    assert pool.choose(where, without) == choice


def test_a_worker_that_stops_has_its_own_calls_and_no_new_ones() -> None:
    pool = pool_of(1, 2)
    pool.report(1, Load(received=0, calls=5, coming=0))
    pool.knows(2, CALL)
    pool.stop(2)
    assert [chosen(pool, where) for where in (NEW, TOKEN_OF_2, OF_CALL)] == [1, 2, 2]
    pool.stop(1)
    assert chosen(pool, NEW) == 2  # it says that the server is closing
    assert not pool.ready


def test_a_worker_that_is_not_ready_or_is_leaving_gets_nothing() -> None:
    pool = pool_of(1, 2)
    pool.add(3)
    pool.knows(2, CALL)
    pool.leave(2)
    assert {chosen(pool, where) for where in (NEW, OTHER, TOKEN_OF_2, OF_CALL)} == {1}
    pool.leave(1)
    assert pool.choose(NEW) is None


def test_a_dead_workers_calls_are_forgotten_and_counted() -> None:
    pool = pool_of(1, 2)
    pool.report(2, Load(received=4, calls=3, coming=1))
    pool.knows(2, CALL)
    assert pool.calls == 3
    assert pool.remove(2) == 3
    assert pool.choose(OF_CALL) == (1, True)
    assert pool.calls == 0


def test_a_connection_that_was_not_passed_is_no_load() -> None:
    pool = pool_of(1, 2)
    number, is_new = pool.choose(NEW) or (0, False)
    pool.not_passed(number, is_new)
    assert [member.load for member in pool] == [0, 0]


def test_calls_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "MOST_CALLS", 2)
    pool = pool_of(1, 2)
    for name in ("CA1", "CA2", "CA1", "CA3"):  # CA1 was heard of again
        pool.knows(2, ("twilio", name))
    assert {name: (pool.choose(Destination(call=("twilio", name))) or (0, 0))[0] for name in ("CA1", "CA2", "CA3")} == {
        "CA1": 2, "CA2": 1, "CA3": 2,
    }  # fmt: skip


def test_a_worker_is_told_the_calls_of_the_others_and_those_on_their_way() -> None:
    pool = pool_of(1, 2, 3)
    pool.report(1, Load(received=0, calls=5, coming=0))
    pool.report(2, Load(received=0, calls=2, coming=1))
    assert [pool.load_beside(number) for number in (1, 2, 3)] == [3, 5, 8]
    assert chosen(pool, NEW) == 3
    assert [pool.load_beside(number) for number in (1, 2, 3)] == [4, 6, 8]
    pool.stop(1)  # it takes no new calls, and has its own
    assert pool.load_beside(2) == 6


def test_a_call_that_was_placed_comes_back_to_its_worker_unless_that_one_stops() -> None:
    pool = pool_of(1, 2)
    pool.knows(2, CALL, is_placed=True)
    assert chosen(pool, OF_CALL) == 2
    pool.stop(2)
    assert chosen(pool, OF_CALL) == 1
    pool.knows(2, CALL)  # a webhook has told of it
    assert chosen(pool, OF_CALL) == 2


def test_calls_are_placed_by_one_worker_which_knows_requests_that_are_sent_again() -> None:
    pool = pool_of(1, 2, 3)
    pool.report(1, Load(received=0, calls=50, coming=0))
    assert {chosen(pool, Destination(is_pinned=True)) for _ in range(5)} == {1}
    assert chosen(pool, Destination(is_pinned=True), 1) == 2
