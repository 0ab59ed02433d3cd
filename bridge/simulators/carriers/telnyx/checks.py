"""Checks requests and the fields of commands as Telnyx does, and refuses them with its error codes.

Wire: Telnyx, "Call Control" and "API errors". A check gets a value and the name of its field, and raises `TelnyxRefusal`
if the value is wrong. Fields that a command does not have are ignored, as Telnyx does.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
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
NOT_ANSWERED = "90034"
MEDIA_STREAMING_IN_USE = "90045"
STREAMING_NOT_IN_USE = "90048"

TITLES = {
    NOT_FOUND: "Resource not found",
    UNAUTHENTICATED: "Authentication failed",
    TOO_MANY_REQUESTS: "Too many requests",
    INVALID_VALUE: "Invalid value",
    NOT_E164: "Phone number must be in +E164 format",
    INVALID_CALL: "Invalid Call Control ID",
    INVALID_CLIENT_STATE: "Invalid client_state",
    CALL_ENDED: "Call has already ended",
    NOT_ANSWERED: "Call not answered yet",
    MEDIA_STREAMING_IN_USE: "Media streaming already in use",
    STREAMING_NOT_IN_USE: "Media streaming not in use",
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


CODECS = ("PCMU", "PCMA", "G722", "OPUS", "AMR-WB", "L16")

DETECTIONS = ("premium", "detect", "detect_beep", "detect_words", "greeting_end")

EVERY: dict[str, Check] = {"client_state": client_state, "command_id": text()}

STREAM: dict[str, Check] = {
    "stream_url": address("wss", "ws"),
    "stream_track": one_of("inbound_track", "outbound_track", "both_tracks"),
    "stream_codec": one_of(*CODECS, "default"),
    "stream_bidirectional_mode": one_of("mp3", "rtp"),
    "stream_bidirectional_codec": one_of(*CODECS),
    "stream_bidirectional_target_legs": one_of("both", "self", "opposite"),
}

RATE_AND_TOKEN: dict[str, Check] = {
    "stream_bidirectional_sampling_rate": one_of(8_000, 16_000, 22_050, 24_000, 48_000),
    "stream_auth_token": text(most=4_000),
}

COMMANDS: Mapping[str, Mapping[str, Check]] = {
    "dial": EVERY
    | STREAM
    | RATE_AND_TOKEN
    | {
        "connection_id": text(),
        "to": destination,
        "from": number,
        "timeout_secs": whole(5, 600),
        "time_limit_secs": whole(30, 14_400),
        "webhook_url": address("https", "http"),
        "answering_machine_detection": one_of(*DETECTIONS, "disabled"),
        "send_silence_when_idle": flag,
        "stream_establish_before_call_originate": flag,
    },
    "answer": EVERY | STREAM | {"send_silence_when_idle": flag, "webhook_url": address("https", "http")},
    "reject": EVERY | {"cause": one_of("CALL_REJECTED", "USER_BUSY")},
    "hangup": EVERY,
    "streaming_start": EVERY | STREAM | RATE_AND_TOKEN | {"custom_parameters": parameters},
    "streaming_stop": EVERY | {"stream_id": text()},
    "send_dtmf": EVERY | {"digits": keys, "duration_millis": whole(100, 500)},
}
"""The fields of each command. `answer` has neither a rate, nor a token, nor custom parameters ("Call Control")."""

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "dial": ("connection_id", "to", "from"),
    "reject": ("cause",),
    "streaming_start": ("stream_url",),
    "send_dtmf": ("digits",),
}


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


def checked(command: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `body` that this command has, checked. Raises `TelnyxRefusal` on the first that is wrong."""
    for field in REQUIRED.get(command, ()):
        if field not in body:
            raise invalid(field, "given")
    checks = COMMANDS[command]
    taken = {field: value for field, value in body.items() if field in checks and value is not None}
    for field, value in taken.items():
        checks[field](value, field)
    if "stream_bidirectional_codec" in taken and taken.get("stream_bidirectional_mode") != "rtp":
        raise invalid("stream_bidirectional_codec", "given only with stream_bidirectional_mode = rtp")
    return taken
