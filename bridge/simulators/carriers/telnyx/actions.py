"""What goes in and out of the pretend exchange: a request, its answer, and what is to be done beside."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from bridge.simulators.carriers.telnyx.stream_session import StreamRequest


class DeliverWebhook(NamedTuple):
    """Deliver this event to a webhook."""

    url: str
    event: Mapping[str, Any]


class OpenStream(NamedTuple):
    """Open a media stream."""

    order: StreamRequest


class AnswerStream(NamedTuple):
    """The call of this stream is answered; it may have been opened before."""

    stream_id: str


class EndStream(NamedTuple):
    """End this stream, and tell when it is over."""

    stream_id: str


Action = DeliverWebhook | OpenStream | AnswerStream | EndStream


class TelnyxRequest(NamedTuple):
    """`command`: `dial`, `status`, `answer` and so on; `call`: the id in the path, decoded."""

    command: str
    authorization: str | None
    body: bytes = b""
    call: str = ""


class TelnyxResponse(NamedTuple):
    """`silent`: the acts are done, and the client waits in vain."""

    status: int
    body: Mapping[str, Any]
    actions: list[Action]
    headers: Mapping[str, str] = {}
    silent: bool = False


class ReceivedCommand(NamedTuple):
    """A request as it came, with what it got. `body` is empty where it was no JSON object."""

    name: str
    call: str
    body: Mapping[str, Any]
    at: float
    status: int
