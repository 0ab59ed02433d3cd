"""What follows a response that failed or said nothing: it is asked for again, on the same session, or the assistant fails.

What passes (a rate limit, an error of the server) is asked for again with growing pauses, as long as `retry_s` allows;
what the server says about waiting is honoured. A response that says nothing, and an error that is likely to come again,
are asked for once more. The request keeps what the failed response was for. No clock: `now` is seconds.
"""

from collections.abc import Callable
from itertools import count
from typing import NamedTuple
from zlib import crc32

from msgspec.structs import replace

from bridge.assistants.openai_realtime.error_reports import Meaning, describe, is_lasting, meaning
from bridge.assistants.openai_realtime.gate import Request, ResponseGate
from bridge.assistants.openai_realtime.server_events import ErrorBody, ResponseBody
from bridge.assistants.shared.scripted_responses import Purpose
from bridge.vocabulary import retry_after
from bridge.vocabulary.commands import OpenAssistant
from bridge.vocabulary.events import Opening
from bridge.vocabulary.retries import Retries

ONCE_MORE_S = 0.5
"""The pause before something is asked for once more that does not depend on time."""


RECOVERED_S = 2.0
"""`retry_s` in a session that was opened because the one before was lost, until its first reply: the caller has waited
already, and after several sessions in which every response fails the fallback should have its turn.
"""

LONGEST_READ = 2_000
"""Characters of a message that are searched for a wait."""


class Failure(NamedTuple):
    """What a failure leads to. `wait_s`: the response is asked for again after so long; 0: another one follows, or it
    is left out; None: the assistant has failed. `final`: a new session would fail in the same way.
    """

    why: str
    wait_s: float | None
    final: bool = False


def cut_short(response: ResponseBody) -> Failure | None:
    """What there is to report of a response that the server cut short; None if it did not."""
    if response.status != "incomplete":
        return None
    return Failure(f"a reply is incomplete: {response.reason or 'no reason given'}", 0.0)


def _chance(call_id: str) -> Callable[[], float]:
    """Numbers from 0 to 1, without 1, that depend on the call alone: the same for the same failures of one call."""
    numbers = count()
    return lambda: crc32(f"{call_id} {next(numbers)}".encode()) / 2**32


class FailedResponses:
    """The failures of one session. `retry_s`: how long a reply that fails is asked for again."""

    def __init__(self, gate: ResponseGate, retry_s: float) -> None:
        self._gate = gate
        self._retries = Retries(retry_s, lambda: 0.5)
        self._retry_s = retry_s
        self._retry_at = 0.0  # of the last retry

    def open(self, command: OpenAssistant) -> None:
        """The session is opened, for this call and this reason."""
        self._retries = Retries(self._retry_s, _chance(command.call_id))
        if command.opening is Opening.RECOVERED:
            self._retries.reset(RECOVERED_S)

    def ended(
        self, request: Request, response: ResponseBody, now: float, *, is_silent: bool, called: bool
    ) -> Failure | None:
        """A response has ended. None if it did what it was for.

        `is_silent`: it should have had sound, and the caller waits for it. `called`: it called tools.
        """
        is_incomplete = response.status == "incomplete"
        if response.status == "failed" or (is_incomplete and is_silent and response.error is not None):
            return self.failed(request, response.error, now, is_followed_up=called)
        cut = cut_short(response)
        if is_silent and response.status != "cancelled":
            return self.once_more(request, cut.why if cut else "a reply without audio", now)
        if not request.is_aside:
            self._retries.reset()
        return cut

    def failed(
        self, request: Request, error: ErrorBody | None, now: float, *, is_followed_up: bool = False
    ) -> Failure:
        """A response failed, or a request was rejected. `is_followed_up`: tools that it called run, and the response
        to their outputs takes its place: asked for again, it would call them twice.
        """
        why = f"a response failed: {describe(error)}"
        known = Meaning.OTHER if error is None else meaning(error)
        if known in (Meaning.FATAL, Meaning.EXPIRED):
            return Failure(why, None, final=known is Meaning.FATAL)
        if is_followed_up:
            return Failure(why, 0.0)
        if (error is not None and is_lasting(error)) or request.purpose is Purpose.FAREWELL:
            return self.once_more(request, why, now)
        if request.is_aside:
            return Failure(why, 0.0)
        asked_s = retry_after.from_text((error.message or "")[:LONGEST_READ]) if error is not None else None
        self._retries.start(now)
        wait_s = self._retries.pause_s(now, asked_s)
        if wait_s is not None:
            self._retry_at = now + wait_s
            self._gate.ask_again(request, self._retry_at)
        return Failure(why, wait_s)

    def once_more(self, request: Request, why: str, now: float) -> Failure:
        """Ask for a response once more, unless it was asked for once more already."""
        if request.is_aside:
            return Failure(why, 0.0)
        if request.tried:
            return Failure(why, None)
        self._gate.ask_again(replace(request, tried=True), now + ONCE_MORE_S)
        return Failure(why, ONCE_MORE_S)

    def interrupted(self) -> None:
        """The caller has something to say: scripted words that were to be asked for again are left out.

        The pause counts as used whole.
        """
        self._retries.stop(self._retry_at)
        self._gate.drop_retry()
