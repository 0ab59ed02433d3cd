"""When a request to a carrier is sent again, by the clock of the table; and what is told of a refusal."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from bridge.carriers.shared.rest import (
    LONGEST_WHY,
    ApiAnswer,
    ApiRequest,
    NoAnswer,
    RetryRule,
    Tries,
    json_object,
    refusal,
)
from bridge.carriers.telnyx.rest import RULE as TELNYX
from bridge.carriers.twilio.rest import HARMLESS, ONCE

OK, BROKEN = ApiAnswer(200, {}, b""), ApiAnswer(503, {}, b"")
REFUSED, LIMITED = ApiAnswer(422, {}, b""), ApiAnswer(429, {}, b"")
UNREACHABLE, LOST, LATE = NoAnswer.UNREACHABLE, NoAnswer.LOST, NoAnswer.LATE

Came = tuple[float, ApiAnswer | NoAnswer]


def limited(**headers: str) -> ApiAnswer:
    return LIMITED._replace(headers={name.replace("_", "-"): value for name, value in headers.items()})


def played(
    rule: RetryRule, script: Iterable[Came], chance: float = 1.0
) -> tuple[list[float], float, ApiAnswer | NoAnswer]:
    """When the tries went out, when it was over, and with what; `script`: when something came of a try, and what."""
    coming = list(script)
    tries, sent, under_way, now = Tries(rule, 0.0, lambda: chance), list[float](), 0, 0.0
    while not tries.is_over(now):
        if tries.again_at is not None and now >= tries.again_at:
            tries.sent(now)
            sent.append(round(now, 6))
            under_way += 1
        elif coming and under_way and coming[0][0] <= tries.deadline():
            now, what = coming.pop(0)
            under_way -= 1
            tries.came(what, now)
        else:
            now = tries.deadline()
    assert not coming
    return sent, now, tries.outcome()


BACKING_OFF = [1.0, 3.0, 7.0, 15.0, 31.0]
RULES: dict[str, tuple[RetryRule, list[Came], list[float], float, ApiAnswer | NoAnswer]] = {
    # name: rule, what came of the tries and when, when they went out, when it was over, the outcome
    "answered": (TELNYX, [(0.2, OK)], [0], 0.2, OK),
    "refused": (TELNYX, [(0.2, REFUSED)], [0], 0.2, REFUSED),
    "a redirect is an answer": (TELNYX, [(0.2, ApiAnswer(307, {}, b""))], [0], 0.2, ApiAnswer(307, {}, b"")),
    "silent, then answered": (TELNYX, [(0.7, OK)], [0, 0.5], 0.7, OK),
    "silent for good": (TELNYX, [], [0, 0.5, 1, 2, 4, 8, 16, 32], 60, LATE),
    "5xx, sent again at once": (TELNYX, [(0.2, BROKEN), (0.3, OK)], [0, 0.2], 0.3, OK),
    "broken, sent again at once": (TELNYX, [(0.2, LOST), (0.3, OK)], [0, 0.2], 0.3, OK),
    "5xx for good": (
        TELNYX,
        [(at, BROKEN) for at in (0.0, 0.0, 0.0, *BACKING_OFF)],
        [0, 0, 0, *BACKING_OFF],
        31,
        BROKEN,
    ),
    "out of reach for good": (
        TELNYX,
        [(at, UNREACHABLE) for at in (0.0, 0.0, 0.0, *BACKING_OFF)],
        [0, 0, 0, *BACKING_OFF],
        31,
        UNREACHABLE,
    ),
    "5xx, and a silent try still counts": (TELNYX, [(0.6, BROKEN), (0.7, OK)], [0, 0.5, 0.6], 0.7, OK),
    "5xx, then silence": (
        TELNYX,
        [(0.1, BROKEN)],
        [0, 0.1, 0.6, 1.6, 3.6, 7.6, 15.6, 31.6],
        60,
        LATE,
    ),
    "once lost it stays in doubt": (
        replace(TELNYX, at_once=0, last_try_s=1.0),
        [(0.0, LOST), (1.0, UNREACHABLE)],
        [0, 1],
        1,
        LOST,
    ),
    "too many": (TELNYX, [(0.1, LIMITED), (1.2, OK)], [0, 1.1], 1.2, OK),
    "too many, and told until when": (
        TELNYX,
        [(0.5, limited(x_ratelimit_reset="9")), (9.6, OK)],
        [0, 9.5],
        9.6,
        OK,
    ),
    "too many, and told by a date": (
        TELNYX,
        [(0.5, limited(x_ratelimit_reset="1700000000", retry_after="Wed, 21 Oct")), (1.6, OK)],
        [0, 1.5],
        1.6,
        OK,
    ),
    "too many for too long": (TELNYX, [(0.5, r := limited(retry_after="56"))], [0], 0.5, r),
    "not twice: silent": (ONCE, [], [0], 30, LATE),
    "not twice: late": (ONCE, [(29.0, OK)], [0], 29, OK),
    "not twice: 5xx": (ONCE, [(0.2, BROKEN)], [0], 0.2, BROKEN),
    "not twice: broken": (ONCE, [(0.2, LOST)], [0], 0.2, LOST),
    "not twice, but it never left": (ONCE, [(0.0, UNREACHABLE), (1.0, OK)], [0, 0.5], 1, OK),
    "not twice, but it was not looked at": (
        ONCE,
        [(0.0, LIMITED), (0.5, LIMITED), (2.0, BROKEN)],
        [0, 0.5, 1.5],
        2,
        BROKEN,
    ),
    "not twice, and in doubt": (ONCE, [(0.0, LIMITED), (0.6, LOST)], [0, 0.5], 0.6, LOST),
    "not twice, and silent in the end": (ONCE, [(0.0, LIMITED)], [0, 0.5], 30, LATE),
    "harmless: silent": (HARMLESS, [(5.1, OK)], [0, 5], 5.1, OK),
    "harmless: 5xx": (HARMLESS, [(0.0, BROKEN), (0.6, OK)], [0, 0.5], 0.6, OK),
}


@pytest.mark.parametrize("name", RULES)
def test_tries(name: str) -> None:
    rule, script, sent, over, outcome = RULES[name]
    assert played(rule, script) == (sent, over, outcome)


def test_what_comes_with_or_after_the_answer_changes_nothing() -> None:
    tries = Tries(TELNYX, 0.0, lambda: 1.0)
    for at in (0.0, 0.5, 1.0):
        tries.sent(at)
    for what in (OK, BROKEN, LOST):
        tries.came(what, 1.1)
    assert tries.is_over(1.1)
    assert tries.outcome() is OK


def test_chance_shortens_a_wait_by_half_at_most() -> None:
    script: list[Came] = [(0.0, LIMITED), (0.25, LIMITED), (0.75, OK)]
    assert played(HARMLESS, script, chance=0.0)[0] == [0, 0.25, 0.75]


def test_a_request_is_shown_without_its_key_and_body() -> None:
    request = ApiRequest(
        "Telnyx", "dial", "", "POST", "https://a/calls", {"Authorization": "Bearer x"}, b"+1", TELNYX, vars
    )
    assert "Bearer" not in repr(request)
    assert "+1" not in repr(request)


REFUSALS = [  # code, words, what is told
    ("90034", ("Not answered", "The call rings."), "Carrier 90034 (422): Not answered: The call rings."),
    (20404, ("Not found",), "Carrier 20404 (422): Not found"),
    (None, (None, ""), "Carrier (422): no reason given"),
    ([], ("Same", " Same\n"), "Carrier (422): Same"),
    ("1", ("'To' +1 (312) 555-0142 is none",), "Carrier 1 (422): 'To' ***42 is none"),
    ("1", ("the key " + "a" * 32,), "Carrier 1 (422): the key ***"),
    ("1", ("the key KEY0123456789ABCDEF_x1Y2",), "Carrier 1 (422): the key ***"),
    ("1" * 99, ("x " * 999,), f"Carrier {'1' * 20} (422): {('x ' * LONGEST_WHY)[:LONGEST_WHY]}"),
]


@pytest.mark.parametrize(("code", "words", "told"), REFUSALS)
def test_a_refusal_is_told(code: object, words: tuple[object, ...], told: str) -> None:
    error = refusal("Carrier", 422, code, *words)
    assert str(error) == told
    assert error.status == 422


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"null", b'{"a":"\xff"}', b"[" * 99_999])
def test_a_body_may_hold_no_object(body: bytes) -> None:
    assert json_object(body) is None
