"""What an error of the server means for the call, and its description without secrets.

Wire: OpenAI, "Realtime API", the `error` event, and `status_details.error` of a failed response. The codes are OpenAI's;
other servers of the protocol have others, or none: there the words of the message are compared.
"""

import re
from enum import Enum, auto

from bridge.assistants.openai_realtime.server_events import ErrorBody
from bridge.redaction import without_keys


class Meaning(Enum):
    """What an error means for the call."""

    HARMLESS = auto()
    """We asked for something that had already happened."""
    REFUSED = auto()
    """A response was asked for while one is active."""
    TOO_LATE = auto()
    """We asked to truncate an item behind its end."""
    EXPIRED = auto()
    """The session has ended; a new one can be opened."""
    FATAL = auto()
    """A new session would fail in the same way."""
    OTHER = auto()
    """Any other error; the conversation goes on."""


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
    "unsupported_content_type": Meaning.HARMLESS,  # truncating an item without audio
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
        *("inference_rate_limit_exceeded", "429", "500", "503", "529"),
    }
)
_FAULTS = ("invalid_", "missing_", "unknown_", "unsupported_", "authentication_error", "permission_")

LONGEST = 300
"""Characters of an error's description; the rest is left out."""


def meaning(error: ErrorBody) -> Meaning:
    """What this error means."""
    names = _names(error)
    if _FATAL & {*names}:
        return Meaning.FATAL
    message = (error.message or "").lower()
    for words, known in _WORDS:
        if words in message:
            return known
    return next((_MEANINGS[name] for name in names if name in _MEANINGS), Meaning.OTHER)


def is_passing(error: ErrorBody) -> bool:
    """Whether the same request may succeed a moment later, by the error's own code."""
    return meaning(error) is Meaning.OTHER and bool(_PASSING & {*_names(error)})


def is_lasting(error: ErrorBody) -> bool:
    """Whether a new session with the same settings would get the error again: the settings or the account are wrong."""
    names = _names(error)
    if _PASSING & {*names} or meaning(error) is Meaning.EXPIRED:
        return False
    return meaning(error) is Meaning.FATAL or any(name.startswith(_FAULTS) for name in names)


def _names(error: ErrorBody) -> tuple[str, str]:
    return error.code or "", error.type or ""


def describe(error: ErrorBody | None) -> str:
    """Code, message and field of an error, with everything that looks like a key masked."""
    if error is None:
        return "no reason given"
    name = error.code or error.type or "error"
    text = f"{name}: {error.message}" if error.message else name
    if error.param:
        text += f" ({error.param})"
    return without_keys(text)[:LONGEST]


def name(error: ErrorBody) -> str:
    """The error's code, or else its type."""
    return without_keys(error.code or error.type or "unknown")[:LONGEST]


def length_ms(error: ErrorBody) -> int | None:
    """The length of the item that we asked to truncate behind its end, in ms, if the message names it."""
    found = _LENGTH.search(error.message or "")
    return int(found[1]) if found else None


def active_response(error: ErrorBody) -> str | None:
    """The id of the response that is active, if the message names it."""
    found = _ACTIVE.search(error.message or "")
    return found[0] if found else None
