"""Requests that are sent again with the same `Idempotency-Key`: they get the first one's answer, and are not done twice.

No clock: `now` is seconds.
"""

from collections import OrderedDict
from hashlib import sha256
from http import HTTPStatus

from bridge.shell.control.problems import OutcomeUnknown, Problem

Outcome = bytes | OutcomeUnknown
"""What is kept of a request: the content of a 202, or that its outcome is unknown."""

KEPT_S = 600.0
"""How long an answer is kept."""

MOST_KEPT = 10_000

LONGEST_KEY = 200


class Repeats:
    """The answers of one process."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], tuple[float, bytes, Outcome | None]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def begin(self, name: str, key: str, request: bytes, now: float) -> bytes | None:
        """A request begins; the answer, if it was done before. `name`: of the token; `request`: method, path and body.

        Raises `Problem` if the key was used for another request, or the first one is not done yet, and `OutcomeUnknown`
        where it had to be answered so.
        """
        if not key:
            return None
        if len(key) > LONGEST_KEY:
            raise Problem(
                HTTPStatus.BAD_REQUEST,
                f"Idempotency-Key is too long: expected at most {LONGEST_KEY} characters",
            )
        self._forget(now)
        digest = sha256(request).digest()
        found = self._kept.get((name, key))
        if found is None:
            self._kept[name, key] = (now + KEPT_S, digest, None)
            return None
        _, before, answer = found
        if before != digest:
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "Idempotency-Key was used for another request: expected a new one",
            )
        if answer is None:
            raise Problem(HTTPStatus.CONFLICT, "the first request with this Idempotency-Key is not done yet")
        if isinstance(answer, OutcomeUnknown):
            raise answer
        return answer

    def done(self, name: str, key: str, answer: Outcome | None) -> None:
        """The request is done; None: it was refused, and may be tried again."""
        if (found := self._kept.get((name, key))) is None:
            return
        if answer is None:
            del self._kept[name, key]
        else:
            self._kept[name, key] = (*found[:2], answer)

    def _forget(self, now: float) -> None:
        while self._kept:
            key, (until, _, _) = next(iter(self._kept.items()))
            if until > now and len(self._kept) < MOST_KEPT:
                return
            del self._kept[key]
