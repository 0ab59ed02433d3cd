"""Checks requests and the fields of commands as Telnyx does, and refuses them with its error codes.

Wire: Telnyx, "Call Control" and "API errors". A check gets a value and the name of its field, and raises `TelnyxRefusal`
if the value is wrong. Fields that a command does not have are ignored, as Telnyx does.
"""

import re
from base64 import b64decode
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from msgspec import DecodeError, json

from bridge.simulators.carriers.telnyx.actions import TelnyxRequest
from bridge.vocabulary.errors import BridgeError

NOT_FOUND = "10005"
UNAUTHENTICATED = "10009"
TOO_MANY_REQUESTS = "10011"
INVALID_VALUE = "10015"
NOT_E164 = "10016"
INVALID_CALL = "90015"
INVALID_CLIENT_STATE = "90017"
CALL_ENDED = "90018"
CONFERENCE_ENDED = "90019"
NOT_ANSWERED = "90034"
CHANNEL_LIMIT = "90041"
ALREADY_JOINED = "90044"
MEDIA_STREAMING_IN_USE = "90045"
STREAMING_NOT_IN_USE = "90048"
INVALID_CONFERENCE = "90058"

TITLES = {
    NOT_FOUND: "Resource not found",
    UNAUTHENTICATED: "Authentication failed",
    TOO_MANY_REQUESTS: "Too many requests",
    INVALID_VALUE: "Invalid value",
    NOT_E164: "Phone number must be in +E164 format",
    INVALID_CALL: "Invalid Call Control ID",
    INVALID_CLIENT_STATE: "Invalid client_state",
    CALL_ENDED: "Call has already ended",
    CONFERENCE_ENDED: "Conference has already ended",
    NOT_ANSWERED: "Call not answered yet",
    CHANNEL_LIMIT: "Channel limit exceeded",
    ALREADY_JOINED: "Call has already joined the conference",
    MEDIA_STREAMING_IN_USE: "Media streaming already in use",
    STREAMING_NOT_IN_USE: "Media streaming not in use",
    INVALID_CONFERENCE: "Invalid conference ID",
}

Check = Callable[[Any, str], None]


class TelnyxRefusal(BridgeError):
    """A request is answered with an error. `code`: Telnyx's, a string. `field`: the one that is wrong, if any."""

    def __init__(self, code: str, detail: str, *, field: str = "", status: int = 422) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.field = field
        self.status = status

    def body(self) -> dict[str, Any]:
        """The body of the response, as Telnyx words it ("API errors")."""
        error: dict[str, Any] = {"code": self.code, "title": TITLES[self.code], "detail": self.detail}
        if self.field:
            error["source"] = {"pointer": f"/{self.field}"}
        error["meta"] = {"url": f"https://developers.telnyx.com/docs/overview/errors/{self.code}"}
        return {"errors": [error]}


def invalid(field: str, expected: str, code: str = INVALID_VALUE) -> TelnyxRefusal:
    return TelnyxRefusal(code, f"{field}: should be {expected}", field=field)


def one_of(*supported: object) -> Check:
    def check(value: Any, field: str) -> None:
        if isinstance(value, bool) or value not in supported:
            raise invalid(field, f"one of {', '.join(map(str, supported))}")

    return check


def text(*, most: int | None = None) -> Check:
    def check(value: Any, field: str) -> None:
        if not isinstance(value, str) or not value:
            raise invalid(field, "a text")
        if most is not None and len(value) > most:
            raise invalid(field, f"{most} characters at most")

    return check


def whole(lowest: int, highest: int) -> Check:
    def check(value: Any, field: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise invalid(field, f"a whole number from {lowest} to {highest}")

    return check


def flag(value: Any, field: str) -> None:
    if not isinstance(value, bool):
        raise invalid(field, "true or false")


def address(*schemes: str) -> Check:
    def check(value: Any, field: str) -> None:
        try:
            parts = urlsplit(value) if isinstance(value, str) else None
            right = parts is not None and parts.scheme in schemes and parts.hostname and parts.port != 0
        except ValueError:  # a port out of range, a bracket left open
            right = False
        if not right:
            raise invalid(
                field, f"an address that begins with {' or '.join(f'{name}://' for name in schemes)}"
            )

    return check


def client_state(value: Any, field: str) -> None:
    try:
        b64decode(value, validate=True)
    except (ValueError, TypeError):
        raise invalid(field, "base64", INVALID_CLIENT_STATE) from None


def number(value: Any, field: str) -> None:
    if not isinstance(value, str) or re.fullmatch(r"\+[1-9]\d{1,14}", value) is None:
        raise invalid(field, "a number such as +15550100", NOT_E164)


def sip_address(value: Any, field: str) -> None:
    if not isinstance(value, str) or not value.startswith("sip:"):
        raise invalid(field, "a SIP URI")


def texts(value: Any, field: str) -> None:
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise invalid(field, "a list of call control ids")


def keys(value: Any, field: str) -> None:
    if not isinstance(value, str) or re.fullmatch(r"[0-9A-D*#wW]+", value) is None:
        raise invalid(field, "keys: 0-9 A-D * #, and w or W for a pause")


def destination(value: Any, field: str) -> None:
    """One destination or several, each a number or a SIP URI."""
    several = value if isinstance(value, list) and value else [value]
    for one in several:
        if not (isinstance(one, str) and one.startswith("sip:")):
            number(one, field)


def parameters(value: Any, field: str) -> None:
    """A list of names and values. The stream's message `start` has them as an object."""
    if not isinstance(value, list):
        raise invalid(field, 'a list of {"name": …, "value": …}')
    for one in value:
        if not isinstance(one, dict) or not all(isinstance(one.get(key), str) for key in ("name", "value")):
            raise invalid(field, 'a list of {"name": …, "value": …}, both texts')


def read_body(request: TelnyxRequest, api_key: str) -> dict[str, Any]:
    """The JSON body of a request. Raises `TelnyxRefusal` if it has not this key or its body is not a JSON object.

    Without any key the answer is 404, as Telnyx does.
    """
    if request.authorization is None:
        raise TelnyxRefusal(NOT_FOUND, "The requested resource or URL could not be found.", status=404)
    if request.authorization != f"Bearer {api_key}":
        raise TelnyxRefusal(
            UNAUTHENTICATED, "Could not find any usable credentials in the request.", status=401
        )
    try:
        body = json.decode(request.body or b"{}")
    except DecodeError:
        raise TelnyxRefusal(INVALID_VALUE, "the body is not JSON", status=400) from None
    if not isinstance(body, dict):
        raise TelnyxRefusal(INVALID_VALUE, "the body should be a JSON object", status=400)
    return body
