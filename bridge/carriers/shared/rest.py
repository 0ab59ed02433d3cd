"""Requests to a carrier's REST API: what one is, when it is sent again, and how a refusal is worded.

What a carrier's requests hold is in its folder. No socket, no clock: `now` is seconds, and chance is passed in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from msgspec import DecodeError, json

from bridge.redaction import without_keys, without_numbers
from bridge.vocabulary.errors import CarrierRefused

LONGEST_WHY = 400
"""Characters of a carrier's own explanation that are kept."""

LONGEST_CODE = 20

LONGEST_READ = 4 * LONGEST_WHY
"""Characters that are searched for keys and numbers to mask."""

WAIT_HEADERS = ("retry-after", "x-ratelimit-reset")
"""How long to wait, in seconds (RFC 9110, 10.2.3; Telnyx, "API errors")."""

LONGEST_WAIT_S = 86_400.0
"""A greater number in one of these headers is a date, not a wait."""


class ApiAnswer(NamedTuple):
    """An answer of any status. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswer(Enum):
    """Why there is no answer."""

    UNREACHABLE = "the server cannot be reached"
    LOST = "the connection broke before an answer came; it may be done all the same"
    LATE = "no answer came in time; it may be done all the same"


@dataclass(frozen=True, slots=True)
class RetryRule:
    """When a request is sent again. After 429, or where no connection was made, nothing was done: always.

    After 5xx, a broken connection or no answer in time it may have been done: only if it `may_repeat`.
    """

    answer_s: float
    """A try without an answer for this long is followed by the next one; its answer still counts."""
    at_once: int
    """How many repeats are sent without a wait; those after them back off."""
    backoff_s: float
    """The first wait; each is twice the one before, and shortened by chance to between half and all of it."""
    last_try_s: float
    """No try is sent later than this after the first."""
    give_up_s: float
    """No answer is waited for longer than this after the first try."""
    may_repeat: bool = True
    """The request can be done twice without harm, or the carrier recognises a repeat."""


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request, the same at each try. Its `repr` shows nothing secret or private."""

    carrier: str
    command: str
    """What it asks for, for the log."""
    call_id: str
    """The carrier's id of the call; empty where there is no call yet."""
    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    rule: RetryRule = field(repr=False)
    read: Callable[[ApiAnswer], Mapping[str, Any]] = field(repr=False, compare=False)
    """Returns the data of an answer. Raises `CarrierRefused`."""


class Tries:
    """The tries of one request. Send one when `again_at` has come and call `sent`; call `came` with each outcome;
    until `is_over`.

    An earlier try is not given up when the next one is sent: the first outcome that settles the request counts.
    `chance` returns a number from 0 to 1.
    """

    def __init__(self, rule: RetryRule, now: float, chance: Callable[[], float]) -> None:
        self.again_at: float | None = now
        self.ends_at = now + rule.give_up_s
        self._rule = rule
        self._chance = chance
        self._last_at = now + rule.last_try_s
        self._sent = 0
        self._under_way = 0
        self._answer: ApiAnswer | None = None
        self._lost = False
        self._settled = False

    def sent(self, now: float) -> None:
        """A try was sent."""
        self._sent += 1
        self._under_way += 1
        self._send_again(now + self._wait_s(self._rule.answer_s) if self._rule.may_repeat else None)

    def came(self, what: ApiAnswer | NoAnswer, now: float) -> None:
        """One of the tries under way has ended."""
        self._under_way -= 1
        if self._settled:
            return
        if isinstance(what, ApiAnswer):
            self._answer = what
            if what.status == 429:
                self._send_again(now + max(_told_wait_s(what), self._backoff_s()))
                return
            if what.status < 500:
                self._settled = True
                return
        self._lost |= what is NoAnswer.LOST
        again = self._rule.may_repeat or what is NoAnswer.UNREACHABLE
        self._send_again(now + self._wait_s(0.0) if again else None)

    def is_over(self, now: float) -> bool:
        """Whether `outcome` is final."""
        waits = self._under_way > 0 or self.again_at is not None
        return self._settled or not waits or now >= self.ends_at

    def deadline(self) -> float:
        """When to look again if no try ends."""
        return self.ends_at if self.again_at is None else min(self.again_at, self.ends_at)

    def outcome(self) -> ApiAnswer | NoAnswer:
        """The answer that settled the request; else the outcome after which it is least certain that nothing was done."""
        if not self._settled and self._under_way:
            return NoAnswer.LATE
        if not self._settled and self._lost:
            return NoAnswer.LOST
        return self._answer or NoAnswer.UNREACHABLE

    def _send_again(self, at: float | None) -> None:
        self.again_at = at if at is not None and at <= self._last_at else None

    def _wait_s(self, first_s: float) -> float:
        return first_s if self._sent <= self._rule.at_once else max(first_s, self._backoff_s())

    def _backoff_s(self) -> float:
        doublings = max(0, self._sent - self._rule.at_once - 1)
        return self._rule.backoff_s * float(2**doublings) * (1 + self._chance()) / 2


def _told_wait_s(answer: ApiAnswer) -> float:
    for name in WAIT_HEADERS:
        try:
            seconds = float(answer.headers[name])
        except (KeyError, ValueError):  # not there, or a date
            continue
        if 0 <= seconds <= LONGEST_WAIT_S:
            return seconds
    return 0.0


def json_object(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object in a body; None if the body is empty or holds something else, such as a proxy's page."""
    try:
        found = json.decode(body)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def refusal(carrier: str, status: int, code: object, *words: object) -> CarrierRefused:
    """A carrier's refusal as an error: its code and its words, without keys and telephone numbers.

    Of a 5xx, and of a 2xx that cannot be read, nobody knows whether it is done.
    """
    number = str(code)[:LONGEST_CODE] if isinstance(code, str | int) else ""
    said = (" ".join(word.split()) for word in words if isinstance(word, str))
    why = ": ".join(dict.fromkeys(word for word in said if word)) or "no reason given"
    head = f"{carrier} {number} ({status})" if number else f"{carrier} ({status})"
    told = without_numbers(without_keys(why[:LONGEST_READ]))
    may_be_done = status < 300 or status >= 500
    return CarrierRefused(
        f"{head}: {told[:LONGEST_WHY]}", status=status, code=number, may_be_done=may_be_done
    )
