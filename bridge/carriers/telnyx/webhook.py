"""Telnyx's webhooks: is one really Telnyx's, did it come before, and what it says of a call.

Wire: Telnyx, "Receiving webhooks": Ed25519 over `<telnyx-timestamp>|<raw body>`; JSON, with or without its wrapper
`data`. Form callbacks of TeXML are signed alike. Units: seconds. No socket, no clock: times are passed in.
"""

import re
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, json

from bridge.redaction import without_addresses
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import Ignored

TOLERANCE_S = 300
"""How far the time of a signature may be from ours, either way."""

REMEMBERED_S = 600.0
MOST_REMEMBERED = 10_000

DETECTION_ENDED = frozenset({"call.machine.detection.ended", "call.machine.premium.detection.ended"})
GREETING_ENDED = frozenset({"call.machine.greeting.ended", "call.machine.premium.greeting.ended"})
READ = frozenset(
    {
        *("call.initiated", "call.answered", "call.hangup"),
        *("streaming.started", "streaming.stopped", "streaming.failed"),
        *DETECTION_ENDED,
        *GREETING_ENDED,
    }
)
"""Every other type is `Ignored`."""

_TYPES = {name.replace("_", "."): name for name in READ}
_UTC = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)(?:Z|\+00:00)")


class Doubt(StrEnum):
    """Why a webhook is not taken."""

    UNSIGNED = "its signature or its time is missing or unreadable"
    FORGED = "its signature is not Telnyx's"
    STALE = "it was signed too long ago, or our clock is wrong"


def check_public_key(text: str) -> None:
    """Raises `ValueError` unless this can be a public key of Telnyx's."""
    try:
        size = len(b64decode(text, validate=True))
    except ValueError:
        size = 0
    if size != 32:
        raise ValueError(
            "this is no Ed25519 public key: should be base64 of 32 bytes, as the portal shows it"
        )


def doubt(public_key: str, body: bytes, timestamp: str, given: str, unix_now: float) -> Doubt | None:
    """What speaks against a webhook of this raw body; None if it is Telnyx's, and fresh.

    `timestamp` and `given` are the headers `telnyx-timestamp` and `telnyx-signature-ed25519`. That the check
    takes constant time is the library's doing. The time is looked at last: what is `STALE` was really signed.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        signature = b64decode(given, validate=True)
    except ValueError:
        return Doubt.UNSIGNED
    if len(signature) != 64 or re.fullmatch("[0-9]{1,15}", timestamp) is None:
        return Doubt.UNSIGNED
    try:
        key = Ed25519PublicKey.from_public_bytes(b64decode(public_key))
        key.verify(signature, timestamp.encode() + b"|" + body)
    except InvalidSignature:
        return Doubt.FORGED
    return Doubt.STALE if abs(unix_now - int(timestamp)) > TOLERANCE_S else None


class CallEvent(Struct, frozen=True):
    """What a webhook says of one call; a text that it does not give is empty."""

    type: str
    """One of `READ`."""
    call_id: str
    """The `call_control_id`."""
    id: str = ""
    """Of the event: each delivery of it has the same."""
    session: str = ""
    direction: str = ""
    to: str = ""
    from_: str = ""
    occurred_at: str = ""
    """ISO 8601 in UTC without its zone: as text it sorts as the times do."""
    client_state: str = ""
    """What our last command, or somebody else's, gave along; decoded."""
    hangup_cause: str = ""
    result: str = ""
    """Of the detection of answering machines."""
    failure_reason: str = ""


def read(body: bytes) -> CallEvent | Ignored:
    """Read one webhook. A type that we do not know is `Ignored`.

    Raises `MalformedMessage` if it is no JSON object, tells no type, or is of a type that we do know without its call.
    """
    try:
        wire = json.decode(body)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage("webhook: the body is not JSON") from error
    if not isinstance(wire, dict):
        raise MalformedMessage("webhook: should be a JSON object")
    data = _object(wire, "data") or wire
    said = _text(data, "event_type") or _text(_object(data, "metadata") or _object(wire, "metadata"), "event")
    if not said:
        raise MalformedMessage("webhook: event_type is missing")
    kind = _TYPES.get(said.replace("_", "."))
    if kind is None:
        return Ignored(said)
    payload = _object(data, "payload") or data
    call = _text(payload, "call_control_id")
    if not call:
        raise MalformedMessage(f"webhook: {kind} without its call_control_id")
    return CallEvent(
        kind,
        call,
        id=_text(data, "id") or _text(data, "webhook_id"),
        session=_text(payload, "call_session_id"),
        direction=_text(payload, "direction"),
        to=_text(payload, "to"),
        from_=_text(payload, "from"),
        occurred_at=_utc(_text(data, "occurred_at") or _text(payload, "occurred_at")),
        client_state=_decoded(_text(payload, "client_state")),
        hangup_cause=_text(payload, "hangup_cause"),
        result=_text(payload, "result"),
        failure_reason=without_addresses(_text(payload, "failure_reason")),
    )


def _object(fields: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _utc(text: str) -> str:
    utc = _UTC.fullmatch(text)
    return utc[1] if utc else ""


def _decoded(base64: str) -> str:
    try:
        return b64decode(base64, validate=True).decode()
    except ValueError:
        return ""


class Deliveries:
    """The events that were delivered in the last ten minutes; past `MOST_REMEMBERED` the oldest are forgotten."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, float] = OrderedDict()

    def is_new(self, event_id: str, now: float) -> bool:
        """Whether this event comes for the first time; one without an id always does."""
        while self._seen and next(iter(self._seen.values())) + REMEMBERED_S <= now:
            self._seen.popitem(last=False)
        if not event_id:
            return True
        if event_id in self._seen:
            return False
        if len(self._seen) >= MOST_REMEMBERED:
            self._seen.popitem(last=False)
        self._seen[event_id] = now
        return True
