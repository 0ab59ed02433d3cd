"""What an error of the server means for the call, and how it is told without its secrets.

Wire: the `error` event, and `status_details.error` of a failed response. Codes are OpenAI's; other servers of the
protocol have others, or none: then the message's words are looked at.
"""

import re
from enum import Enum, auto

from bridge.assistants.openai_realtime.server_events import ErrorBody
from bridge.redaction import without_keys


class Meaning(Enum):
    """What to make of an error."""

    HARMLESS = auto()
    """The server was asked for what had happened already."""
    REFUSED = auto()
    """A response was asked for while one is active."""
    TOO_LATE = auto()
    """The item has less sound than it was to be cut to."""
    EXPIRED = auto()
    """The session is over; a new one can be had."""
    FATAL = auto()
    """A new session would end the same."""
    COMPLAINT = auto()
    """Something else; the conversation goes on."""


_FATAL = frozenset(
    {
        *("invalid_api_key", "account_deactivated", "model_not_found", "beta_api_shape_disabled"),
        *("insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached"),
    }
)
_MEANINGS = {
    "conversation_already_has_active_response": Meaning.REFUSED,
    "session_expired": Meaning.EXPIRED,
    "response_cancel_not_active": Meaning.HARMLESS,
    "input_audio_buffer_commit_empty": Meaning.HARMLESS,
    "unsupported_content_type": Meaning.HARMLESS,  # truncating what has no sound
    "item_create_duplicate_item_id": Meaning.HARMLESS,
    "item_retrieve_invalid_item_id": Meaning.HARMLESS,
    "item_truncate_invalid_item_id": Meaning.HARMLESS,
    "item_delete_invalid_item_id": Meaning.HARMLESS,
}
_WORDS = (
    ("already has an active response", Meaning.REFUSED),
    ("already shorter", Meaning.TOO_LATE),
    ("no active response", Meaning.HARMLESS),
    ("buffer too small", Meaning.HARMLESS),
    ("model output audio messages can be truncated", Meaning.HARMLESS),
)
_LENGTH = re.compile(r"(\d{1,9}) ?ms is already shorter")
_ACTIVE = re.compile(r"\bresp_\w+")

_PASSING = frozenset(
    {
        *(
            "server_error",
            "internal_error",
            "internal_server_error",
            "service_unavailable",
            "overloaded_error",
        ),
        *("rate_limit_exceeded", "rate_limit_error", "rate_limit_reached", "too_many_requests", "timeout"),
    }
)
_FAULTS = ("invalid_", "missing_", "unknown_", "unsupported_", "authentication_error", "permission_")

LONGEST = 300
"""Characters of an error that are told."""


def meaning(error: ErrorBody) -> Meaning:
    """What to make of it."""
    names = _names(error)
    if _FATAL & {*names}:
        return Meaning.FATAL
    message = (error.message or "").lower()
    for words, known in _WORDS:
        if words in message:
            return known
    return next((_MEANINGS[name] for name in names if name in _MEANINGS), Meaning.COMPLAINT)


def is_lasting(error: ErrorBody) -> bool:
    """Whether a session that is set like this one would meet it again: the settings, or the account, are at fault."""
    names = _names(error)
    if _PASSING & {*names} or meaning(error) is Meaning.EXPIRED:
        return False
    return meaning(error) is Meaning.FATAL or any(name.startswith(_FAULTS) for name in names)


def _names(error: ErrorBody) -> tuple[str, str]:
    return error.code or "", error.type or ""


def describe(error: ErrorBody | None) -> str:
    """Code, message and field, with everything that looks like a key masked."""
    if error is None:
        return "no reason given"
    name = error.code or error.type or "error"
    text = f"{name}: {error.message}" if error.message else name
    if error.param:
        text += f" ({error.param})"
    return without_keys(text)[:LONGEST]


def name(error: ErrorBody) -> str:
    """The shortest way to say which error it is."""
    return without_keys(error.code or error.type or "unknown")[:LONGEST]


def length_ms(error: ErrorBody) -> int | None:
    """How long the item is that was to be cut to more."""
    found = _LENGTH.search(error.message or "")
    return int(found[1]) if found else None


def active_response(error: ErrorBody) -> str | None:
    """The response that is in the way, where the message names it."""
    found = _ACTIVE.search(error.message or "")
    return found[0] if found else None
