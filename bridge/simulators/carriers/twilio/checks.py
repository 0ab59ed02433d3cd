"""Checks requests about calls as Twilio does, and refuses them with its error codes.

Wire: Twilio, "Call resource" and "Error and Warning Dictionary". Where the documents name no code it is null. Unknown
fields are ignored.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from bridge.vocabulary.errors import BridgeError

BAD_CREDENTIALS = 20003
NOT_FOUND = 20404
TOO_MANY_REQUESTS = 20429
INVALID_URL = 21205
NOT_VERIFIED = 21210
INVALID_TO = 21211
INVALID_FROM = 21212
NOT_IN_PROGRESS = 21220

MOST_TWIML = 4_000
LONGEST_TIMEOUT_S = 600
EVENTS = frozenset({"initiated", "ringing", "answered", "completed"})
DETECTIONS = frozenset({"Enable", "DetectMessageEnd"})
FLAGS = ("Muted", "Hold", "Coaching", "EndConferenceOnExit", "StartConferenceOnEnter", "EarlyMedia")


class TwilioRefusal(BridgeError):
    """A request is answered with an error. `status`: of HTTP. `code`: Twilio's error number."""

    def __init__(self, status: int, code: int | None, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.code = code
        self.why = why

    def body(self) -> dict[str, Any]:
        """The body of the response, as Twilio words it."""
        more = "" if self.code is None else f"https://www.twilio.com/docs/errors/{self.code}"
        return {"code": self.code, "message": self.why, "more_info": more, "status": self.status}


def invalid(code: int | None, why: str) -> TwilioRefusal:
    return TwilioRefusal(400, code, why)


def check_create(fields: Mapping[str, str], events: tuple[str, ...]) -> None:
    """Check a request that creates a call. Raises `TwilioRefusal` on the first field that is wrong.

    `events`: the values of `StatusCallbackEvent`, which may be given several times.
    """
    _check_number(fields.get("To", ""), "To", INVALID_TO)
    _check_number(fields.get("From", ""), "From", INVALID_FROM)
    if not fields.keys() & {"Url", "Twiml", "Texml"}:
        raise invalid(INVALID_URL, "Url or Twiml is required.")
    _check_twiml(fields)
    for event in events:
        if event not in EVENTS:
            raise invalid(
                None, f"StatusCallbackEvent {event!r} should be one of {', '.join(sorted(EVENTS))}."
            )
    if not _is_whole(fields.get("Timeout", "60"), LONGEST_TIMEOUT_S):
        raise invalid(None, f"Timeout should be a whole number of seconds up to {LONGEST_TIMEOUT_S}.")
    if fields.get("MachineDetection", "Enable") not in DETECTIONS:
        raise invalid(None, "MachineDetection should be Enable or DetectMessageEnd.")


def check_update(fields: Mapping[str, str]) -> None:
    """Check a request that changes a call. Raises `TwilioRefusal` on the first field that is wrong."""
    if fields.get("Status", "completed") not in ("completed", "canceled"):
        raise invalid(None, "Status should be completed or canceled.")
    if not fields.keys() & {"Status", "Url", "Twiml", "Texml"}:
        raise invalid(None, "One of Status, Url and Twiml is required.")
    _check_twiml(fields)


def check_participant(fields: Mapping[str, str], *, new: bool) -> None:
    """Check a request that adds or changes a participant. Raises `TwilioRefusal` on the first field that is wrong."""
    if new:
        _check_number(fields.get("To", ""), "To", INVALID_TO)
        _check_number(fields.get("From", ""), "From", INVALID_FROM)
    elif "Status" in fields:
        raise invalid(None, "Status: a participant has none; remove the participant, or complete the call.")
    for field in FLAGS:
        if fields.get(field, "true").lower() not in ("true", "false"):
            raise invalid(None, f"{field} should be true or false.")
    if is_true(fields.get("Coaching", "false")) and "CallSidToCoach" not in fields:
        raise invalid(None, "CallSidToCoach is required for Coaching.")
    for field in ("HoldUrl", "StatusCallback", "ConferenceStatusCallback"):
        if field in fields and not _is_address(fields[field]):
            raise invalid(INVALID_URL, f"{field} is not a valid URL.")
    if fields.get("MachineDetection", "Enable") not in DETECTIONS:
        raise invalid(None, "MachineDetection should be Enable or DetectMessageEnd.")


def is_true(text: str) -> bool:
    """The value of a field that is true or false."""
    return text.lower() == "true"


def _check_twiml(fields: Mapping[str, str]) -> None:
    for field in ("Url", "StatusCallback", "AsyncAmdStatusCallback"):
        if field in fields and not _is_address(fields[field]):
            raise invalid(INVALID_URL, f"{field} is not a valid URL.")
    for field in ("Method", "StatusCallbackMethod", "AsyncAmdStatusCallbackMethod"):
        if fields.get(field, "POST") not in ("GET", "POST"):
            raise invalid(None, f"{field} should be GET or POST.")
    if len(fields.get("Twiml", "")) > MOST_TWIML:
        raise invalid(None, f"Twiml is longer than {MOST_TWIML} characters.")


def _check_number(text: str, field: str, code: int) -> None:
    if re.fullmatch(r"\+[1-9]\d{1,14}|(?:sip|client):.+", text) is None:
        raise invalid(code, f"The '{field}' number is not a valid phone number.")


def _is_whole(text: str, highest: int) -> bool:
    return re.fullmatch(r"\d{1,9}", text) is not None and 0 < int(text) <= highest


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port out of range, a bracket left open
        return False
