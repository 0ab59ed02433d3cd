"""Telnyx's webhooks under Call Control: what one says of a call, and whether it came before.

Source: Telnyx, "Receiving webhooks", "Voice API webhooks": JSON, with or without its wrapper `data`.
Units: seconds. No socket, no clock: times are passed in.
"""

import re
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Mapping

from msgspec import Struct, json

from bridge.carriers.shared.webhooks import Direction
from bridge.redaction import without_addresses
from bridge.vocabulary.call_facts import Facts, facts_of
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import Ignored

REMEMBERED_S = 600.0
"""How long an event's id is remembered: Telnyx repeats a webhook for some minutes."""

MOST_REMEMBERED = 10_000
"""Ids remembered at a time; then the oldest go."""

DETECTION_ENDED = frozenset({"call.machine.detection.ended", "call.machine.premium.detection.ended"})
GREETING_ENDED = frozenset({"call.machine.greeting.ended", "call.machine.premium.greeting.ended"})
DEQUEUED, REFERRED, NOT_REFERRED = "call.dequeued", "call.refer.completed", "call.refer.failed"
STREAM_ENDED = frozenset({"streaming.stopped", "streaming.failed"})
READ = frozenset(
    {
        *("call.initiated", "call.answered", "call.bridged", "call.hangup"),
        *(DEQUEUED, REFERRED, NOT_REFERRED),
        "streaming.started",
        *STREAM_ENDED,
        *DETECTION_ENDED,
        *GREETING_ENDED,
    }
)
"""The types of event that are read; all others are `Ignored`."""

DIRECTIONS: dict[str, Direction] = {"incoming": "inbound", "outgoing": "outbound"}
"""By the `direction` of a webhook."""

_TYPES = {name.replace("_", "."): name for name in READ}
_UTC = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)(?:Z|\+00:00)")


class CallEvent(Struct, frozen=True):
    """What a webhook says of one call. A field that it lacks is empty."""

    type: str
    """One of `READ`."""
    call_id: str
    """The `call_control_id`."""
    id: str = ""
    """The event's id, the same in each delivery of it."""
    session: str = ""
    direction: str = ""
    to: str = ""
    from_: str = ""
    caller_name: str = ""
    attestation: str = ""
    """What the calling number is worth by STIR/SHAKEN, A to C; empty also where it was not validated."""
    occurred_at: str = ""
    """ISO 8601 in UTC without the zone, so that sorting the texts sorts the times."""
    client_state: str = ""
    """What the last command gave along, ours or another program's; decoded."""
    hangup_cause: str = ""
    result: str = ""
    """The verdict of the detection of answering machines."""
    failure_reason: str = ""
    reason: str = ""
    """Why a call is out of a queue."""
    sip_response: str = ""
    """The code with which whoever a call was referred to answered."""


def read(body: bytes) -> CallEvent | Ignored:
    """Read one webhook. An unknown type is `Ignored`.

    Raises `MalformedMessage` if it is not a JSON object, has no type, or is of a known type and names no call.
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
        caller_name=_text(payload, "caller_id_name"),
        attestation=""
        if payload.get("shaken_stir_validated") is False
        else _text(payload, "shaken_stir_attestation"),
        occurred_at=_utc(_text(data, "occurred_at") or _text(payload, "occurred_at")),
        client_state=_decoded(_text(payload, "client_state")),
        hangup_cause=_text(payload, "hangup_cause"),
        result=_text(payload, "result"),
        failure_reason=without_addresses(_text(payload, "failure_reason")),
        reason=_text(payload, "reason"),
        sip_response=_code(payload, "sip_notify_response"),
    )


def event_facts(event: CallEvent, *, verified: bool) -> Facts:
    """Who calls whom. `verified`: Telnyx signed the webhook."""
    fields = {
        "from": event.from_,
        "to": event.to,
        "caller_name": event.caller_name,
        "attestation": event.attestation,
    }
    return facts_of(fields, direction=DIRECTIONS.get(event.direction, ""), verified=verified)


def call_control_id_in(body: bytes) -> str:
    """The call that a webhook of any type tells of, whoever sent it; empty if it names none."""
    try:
        wire = json.decode(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(wire, dict):
        return ""
    data = _object(wire, "data") or wire
    return _text(_object(data, "payload") or data, "call_control_id")


def _object(fields: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _code(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    return str(value) if isinstance(value, int) else _text(fields, name)


def _utc(text: str) -> str:
    utc = _UTC.fullmatch(text)
    return utc[1] if utc else ""


def _decoded(base64: str) -> str:
    try:
        return b64decode(base64, validate=True).decode()
    except ValueError:
        return ""


class Deliveries:
    """The ids of the events that were delivered in the last `REMEMBERED_S`."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, float] = OrderedDict()

    def is_new(self, event_id: str, now: float) -> bool:
        """Whether this event comes for the first time. One without an id counts as new."""
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
