"""How many requests of one kind are answered at the same time: further ones are told to come again later."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from bridge.shell.control.problems import Problem

AGAIN_S = 2
"""When a request that found no place should be made again, in seconds."""


class AtOnce:
    """The places of one kind of request. `what`: for the answer, in the plural."""

    def __init__(self, most: int, what: str) -> None:
        self._most = most
        self._what = what
        self._taken = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place until the request is answered. Raises `Problem` where there is none."""
        if self._taken >= self._most:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"too many {self._what} are asked for at the same time: expected at most {self._most}",
                {"Retry-After": str(AGAIN_S)},
            )
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
