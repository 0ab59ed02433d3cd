"""The faults to inject into the simulated Telnyx, and who answers the calls that it places. Times are seconds."""

from dataclasses import dataclass
from typing import Literal

Cause = Literal["user_busy", "call_rejected", "not_found"]
Verdict = Literal["human", "machine", "not_sure", "silence", "fax_detected"]


@dataclass(frozen=True, slots=True)
class TelnyxFaults:
    """Faults of one server. Of each command the first `server_errors` fail, the next ones are `rate_limited`, the next
    ones `silent`, the next ones `refused`."""

    server_errors: int = 0
    """How many are answered 500 and not performed."""
    rate_limited: int = 0
    """How many are answered 429 and not performed."""
    silent: int = 0
    """How many are performed and never answered."""
    commands: tuple[str, ...] = ()
    """The commands with these faults: `dial`, `bridge`, `conference_join` and so on. Empty: all."""
    refused: int = 0
    """How many, after the silent ones, are answered 422 with `refused_with` and not performed."""
    refused_with: str = "90041"
    """Telnyx's error code of a refusal, by default: no more calls at the same time."""
    duplicate_webhooks: bool = False
    """Deliver each webhook twice."""
    shuffled_webhooks: bool = False
    """Deliver each second webhook of a call before the first."""
    unwrapped_webhooks: bool = False
    """Deliver the event itself as the body, without `data` around it."""
    codec: str | None = None
    """The codec of the caller's audio, whatever was asked for."""


@dataclass(frozen=True, slots=True)
class TelnyxCallee:
    """Who answers a call that is dialled."""

    answers_after_s: float | None = 0.02
    """None: never; the call then ends with the `timeout_secs` of the dial command."""
    answered_by: Verdict = "human"
    """The result of the machine detection, if it was asked for."""
    verdict_after_s: float = 0.02
    """From the answer to the result of the machine detection."""
    refuses: Cause | None = None
    """The cause with which the call ends instead of being answered."""
