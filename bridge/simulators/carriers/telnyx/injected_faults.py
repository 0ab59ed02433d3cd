"""What may go wrong at the pretend Telnyx, and who picks up the calls that it places. Times are seconds."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["human", "machine", "not_sure", "silence", "fax_detected"]


@dataclass(frozen=True, slots=True)
class TelnyxFaults:
    """Of one server. Of each command the first `server_errors` fail, the next are `rate_limited`, the next `silent`."""

    server_errors: int = 0
    """Answered 500, and not performed."""
    rate_limited: int = 0
    """Answered 429, and not performed."""
    silent: int = 0
    """Performed, and never answered."""
    commands: tuple[str, ...] = ()
    """Which suffer these three: `dial`, `answer`, `streaming_start` and so on. None: all."""
    duplicate_webhooks: bool = False
    """Each is delivered twice."""
    shuffled_webhooks: bool = False
    """Each second one is delivered before the one that it follows."""
    unwrapped_webhooks: bool = False
    """Without `data` around the event."""
    codec: str | None = None
    """In what the caller's voice comes, whatever was asked for."""


@dataclass(frozen=True, slots=True)
class TelnyxCallee:
    """Who picks up a call that is dialled."""

    answers_after_s: float | None = 0.02
    """None: never. The call then ends with the `timeout_secs` of the dial."""
    answered_by: Verdict = "human"
    """What is found, where it was asked to detect a machine."""
    verdict_after_s: float = 0.02
    """From the answer to the verdict."""
    refuses: Literal["user_busy", "call_rejected", "not_found"] | None = None
    """The call ends so, instead of being answered."""
