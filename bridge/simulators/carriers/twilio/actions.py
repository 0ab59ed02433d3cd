"""What goes in and out of the pretend exchange: a request, its answer, and what is to be done beside."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from bridge.simulators.carriers.voice_xml import StreamElement

Form = Mapping[str, str]


class SendCallback(NamedTuple):
    """Send this form to a callback, signed. GET puts it into the address."""

    url: str
    method: str
    form: Form


class FetchTwiml(NamedTuple):
    """Send this form to a webhook, signed, and bring what it answers to this call."""

    call_sid: str
    url: str
    method: str
    form: Form


class OpenStream(NamedTuple):
    """Open a media stream."""

    call_sid: str
    order: StreamElement


class EndStream(NamedTuple):
    """End the stream of this call, and tell when it is over."""

    call_sid: str


Action = SendCallback | FetchTwiml | OpenStream | EndStream


class TwilioRequest(NamedTuple):
    """`name`: `create`, `update`, `fetch` or `list`. `fields`: of the form, or of the query."""

    name: str
    account_sid: str
    authorization: str | None
    fields: tuple[tuple[str, str], ...] = ()
    call_sid: str = ""


class TwilioResponse(NamedTuple):
    """`body`: an object, or the page of a proxy. `silent`: the acts are done, and the client waits in vain."""

    status: int
    body: Mapping[str, Any] | str
    actions: list[Action]
    silent: bool = False


class ReceivedRequest(NamedTuple):
    """A request as it came, with what it got."""

    name: str
    call_sid: str
    fields: tuple[tuple[str, str], ...]
    at: float
    status: int
