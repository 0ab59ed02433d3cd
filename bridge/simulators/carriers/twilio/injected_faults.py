"""The faults to inject into the simulated Twilio, and who answers the calls that it places. Times are seconds."""

from dataclasses import dataclass
from typing import Literal

Refusal = Literal["busy", "failed"]


@dataclass(frozen=True, slots=True)
class TwilioFaults:
    """Faults of one server. Of each kind of request the first `server_errors` fail, the next ones are `rate_limited`,
    the next ones `silent`, the next ones `refused`."""

    server_errors: int = 0
    """How many are answered 503 by a proxy, in HTML, and not performed."""
    rate_limited: int = 0
    """How many are answered 429 and not performed."""
    silent: int = 0
    """How many are performed and never answered."""
    requests: tuple[str, ...] = ()
    """The kinds of request with these faults: `create`, `update`, `update_participant` and so on. Empty: all."""
    refused: int = 0
    """How many, after the silent ones, are answered with `refused_with` and not performed."""
    refused_with: tuple[int, int] = (400, 13_225)
    """The status of HTTP and Twilio's error number, by default: the call was blocked by Twilio."""
    action_after_hang_up: bool = True
    """Ask the `action` of a `<Dial>` too when it was the caller who hung up. Not confirmed for the real service."""


@dataclass(frozen=True, slots=True)
class TwilioCallee:
    """Who answers a call that was created by a request."""

    answers_after_s: float | None = 0.02
    """None: never; the call then ends with its `Timeout`."""
    answered_by: Literal["human", "machine", "fax", "unknown"] = "human"
    """The result of the machine detection, if it was asked for."""
    verdict_after_s: float = 0.02
    """From the answer to the result of the machine detection."""
    refuses: Refusal | None = None
    """The status with which the call ends instead of being answered."""
