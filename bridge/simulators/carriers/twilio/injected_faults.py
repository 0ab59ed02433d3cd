"""What may go wrong at the pretend Twilio, and who picks up the calls that it places. Times are seconds."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class TwilioFaults:
    """Of one server. Of each kind of request the first `server_errors` fail, then some are `rate_limited`, or `silent`."""

    server_errors: int = 0
    """Answered 503 by a proxy, in HTML, and not performed."""
    rate_limited: int = 0
    """Answered 429, and not performed."""
    silent: int = 0
    """Performed, and never answered."""
    requests: tuple[str, ...] = ()
    """Which suffer these three: `create`, `update`, `fetch`, `list`. None: all."""


@dataclass(frozen=True, slots=True)
class TwilioCallee:
    """Who picks up a call that is created."""

    answers_after_s: float | None = 0.02
    """None: never. The call then ends with its `Timeout`."""
    answered_by: Literal["human", "machine", "fax", "unknown"] = "human"
    """What is found, where it was asked to detect a machine."""
    verdict_after_s: float = 0.02
    """From the answer to the verdict."""
    refuses: Literal["busy", "failed"] | None = None
    """The call ends so, instead of being answered."""
