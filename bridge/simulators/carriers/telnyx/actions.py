"""The requests to the simulated Telnyx account, its responses, and the actions that follow from them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from bridge.simulators.carriers.telnyx.stream_session import StreamRequest


class DeliverWebhook(NamedTuple):
    """Deliver this event to a webhook, as JSON."""

    url: str
    event: Mapping[str, Any]


class OpenStream(NamedTuple):
    """Open a media stream."""

    wanted: StreamRequest


class AnswerStream(NamedTuple):
    """The call of this stream is answered. The stream may have been opened before."""

    stream_id: str


class EndStream(NamedTuple):
    """Close this stream; `stream_over` is to be called when it is closed."""

    stream_id: str


Action = DeliverWebhook | OpenStream | AnswerStream | EndStream


class TelnyxRequest(NamedTuple):
    """A request to the REST API.

    `command`: `dial`, `status`, an action such as `answer`, or about conferences, such as `conference_join`.
    `call_control_id`, `conference_id`: of the path, decoded. `query`: of the address.
    """

    command: str
    authorization: str | None
    body: bytes = b""
    call_control_id: str = ""
    conference_id: str = ""
    query: Mapping[str, str] = {}


class TelnyxResponse(NamedTuple):
    """The response to a request. `silent`: perform the actions, but never answer the client."""

    status: int
    body: Mapping[str, Any]
    actions: list[Action]
    headers: Mapping[str, str] = {}
    silent: bool = False


class ReceivedCommand(NamedTuple):
    """A request that came, and the status it was answered with. `body` is empty if it was not a JSON object.

    `at`: when it came, Unix seconds.
    """

    name: str
    call_control_id: str
    body: Mapping[str, Any]
    at: float
    status: int
