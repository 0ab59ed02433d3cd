"""Calls in which the phone was late are carried again, and no others."""

from tests.punctual import LATE_MS, Round, carried_in_time

LATE = LATE_MS + 1


async def test_a_call_whose_phone_was_late_is_carried_again_with_fewer_lines() -> None:
    lateness = {0: [0.0], 1: [LATE, LATE_MS], 2: [LATE, LATE, LATE], 3: [0.0]}
    carried: list[tuple[int, int, int]] = []

    async def carry(call: int, this: Round) -> float:
        await this.all_are_ready.wait()
        carried.append((this.number, this.lines._value, call))
        if call == 3:
            raise ConnectionError
        return lateness[call][this.number]

    outcomes = await carried_in_time(4, carry, lambda late_ms: late_ms, (9, 4, 2))
    assert outcomes[:3] == [0.0, LATE_MS, LATE]
    assert isinstance(outcomes[3], ConnectionError), "a call that failed is not carried again"
    assert sorted(carried) == [(0, 9, 0), (0, 9, 1), (0, 9, 2), (0, 9, 3), (1, 4, 1), (1, 4, 2), (2, 2, 2)]
