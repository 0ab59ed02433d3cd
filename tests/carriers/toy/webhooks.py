"""The toy carrier's webhooks: /toy/call answers a call with the address for its stream, /toy/ended hears of its end.

The body is JSON; the header `x-toy-password` proves it.
"""

import hmac
from collections.abc import Sequence

from msgspec import DecodeError, Struct, field, json

from bridge.carriers.shared.webhooks import (
    JSON,
    CallHost,
    ExpectedCall,
    Numbers,
    Route,
    WebhookAnswer,
    WebhookRequest,
)
from bridge.vocabulary.commands import ControlCommand, PressKeys
from bridge.vocabulary.contracts import StreamEnd
from bridge.vocabulary.errors import WebhookRefused
from tests.carriers.toy.rest import ToyApi
from tests.carriers.toy.settings import ToySettings


class _Call(Struct):
    call: str
    to: str = ""
    from_: str = field(default="", name="from")


class ToyWebhooks:
    """See `CarrierWebhooks`."""

    def __init__(self, settings: ToySettings, host: CallHost) -> None:
        self._settings = settings
        self._host = host
        self._api = ToyApi(settings) if settings.password is not None else None

    def routes(self) -> Sequence[Route]:
        """What is served."""
        return (
            Route("/toy/call", JSON, self._call, takes_word=True),
            Route("/toy/ended", JSON, self._ended),
        )

    def deadline(self) -> float | None:
        """Nothing falls due."""
        return None

    def due(self, now: float) -> None:
        """Nothing falls due."""

    def close(self, now: float) -> None:
        """The calls end with their streams."""

    def _call(self, request: WebhookRequest, _now: float) -> WebhookAnswer:
        """The carrier asks where the stream of a call is to go."""
        call = self._read(request)
        parameters = self._settings.parameters
        assistant = self._host.who_answers(call.call, request, Numbers(call.to, call.from_), parameters)
        if why := self._host.why_refused(call.call):
            raise WebhookRefused(503, why)
        control = None if self._api is None else ToyCallControl(self._host, self._api, call.call)
        url = self._host.expect(ExpectedCall(call.call, assistant, control=control))
        answer = {"stream": url, "parameters": parameters}
        return WebhookAnswer(200, json.encode(answer).decode(), JSON)

    def _ended(self, request: WebhookRequest, _now: float) -> WebhookAnswer:
        """The carrier says that a call is over."""
        self._host.call_ended(self._read(request).call)
        return WebhookAnswer()

    def _read(self, request: WebhookRequest) -> _Call:
        """The call. Raises `WebhookRefused`: 403 unless the password is right, 400 unless the body names a call."""
        password = self._settings.password
        if password is not None:
            given = request.headers.get("x-toy-password", "")
            if not hmac.compare_digest(
                given.encode(errors="surrogateescape"), password.get_secret_value().encode()
            ):
                raise WebhookRefused(403, "the password is wrong", reason="its password is wrong")
        elif not self._host.allows_unauthenticated:
            raise WebhookRefused(403, "toy.password is not set, so nobody can prove to be the toy carrier")
        try:
            return json.decode(request.body, type=_Call)
        except DecodeError as error:
            raise WebhookRefused(400, f"the body is not a call: {error}") from None


class ToyCallControl:
    """One call: presses keys, and ends the call after its stream, which this carrier would not do by itself."""

    can: frozenset[type[ControlCommand]] = frozenset({PressKeys})

    def __init__(self, host: CallHost, api: ToyApi, call_id: str) -> None:
        self._host = host
        self._api = api
        self._call_id = call_id

    def perform(self, command: ControlCommand, _now: float) -> None:
        """Send the request; nothing waits for its answer."""
        assert isinstance(command, PressKeys), f"{command}: expected one of those that it can"
        self._host.send(self._api.press_keys(self._call_id, command.keys))

    def hang_up(self, end: StreamEnd, _now: float) -> None:
        """End the call, unless the carrier ended the stream: then the caller has hung up."""
        if end is not StreamEnd.BY_CARRIER:
            self._host.send(self._api.hang_up(self._call_id))
