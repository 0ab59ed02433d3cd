"""The requests to the simulated Twilio account, its responses, and the actions that follow from them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from bridge.simulators.carriers.voice_xml import StreamElement

Form = Mapping[str, str]


class SendCallback(NamedTuple):
    """Send this form to a callback, signed. With GET the fields are in the URL."""

    url: str
    method: str
    form: Form


class FetchTwiml(NamedTuple):
    """Send this form to a voice webhook, signed; `twiml_came` is to be called with its answer."""

    call_sid: str
    url: str
    method: str
    form: Form


class OpenStream(NamedTuple):
    """Open a media stream. `beside`: it goes on beside the document, and its end changes nothing."""

    call_sid: str
    wanted: StreamElement
    beside: bool = False


class EndStream(NamedTuple):
    """Close the stream of this call; `stream_over` is to be called when it is closed, unless it goes on `beside`."""

    call_sid: str
    beside: bool = False


Action = SendCallback | FetchTwiml | OpenStream | EndStream


class TwilioRequest(NamedTuple):
    """A request to the REST API.

    `name`: one of `REQUESTS`. `fields`: of the form, or of the query. `conference`: its sid or name, of the path.
    """

    name: str
    account_sid: str
    authorization: str | None
    fields: tuple[tuple[str, str], ...] = ()
    call_sid: str = ""
    conference: str = ""


def status_events(request: TwilioRequest) -> tuple[str, ...]:
    """The values of `StatusCallbackEvent`: given several times, or as one text with spaces between them."""
    given = (value for name, value in request.fields if name == "StatusCallbackEvent")
    return tuple(event for value in given for event in value.split())


REQUESTS = (
    "create", "update", "fetch", "list",
    "conferences", "conference", "end_conference",
    "participants", "add_participant", "participant", "update_participant", "remove_participant",
)  # fmt: skip
"""The kinds of request: about calls, about conferences, about participants."""


class TwilioResponse(NamedTuple):
    """The response to a request. `body`: JSON, or a proxy's HTML page; None for an empty one.

    `silent`: perform the actions, but never answer the client.
    """

    status: int
    body: Mapping[str, Any] | str | None
    actions: list[Action]
    silent: bool = False


class ReceivedRequest(NamedTuple):
    """A request that came, and the status it was answered with. `at`: when it came, Unix seconds."""

    name: str
    call_sid: str
    fields: tuple[tuple[str, str], ...]
    at: float
    status: int
