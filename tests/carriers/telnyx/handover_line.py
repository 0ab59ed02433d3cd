"""One call under Call Control that can be put through, for the tests of handovers: webhooks in, requests out."""

from typing import TYPE_CHECKING, Any

from msgspec import json

from bridge.carriers.telnyx.person_state import PersonState
from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.webhooks import TelnyxWebhooks
from bridge.simulators.carriers.telnyx.webhooks import TEST_PUBLIC_KEY, Signer
from bridge.vocabulary.commands import ControlCommand
from bridge.vocabulary.contracts import CallControl
from bridge.vocabulary.people import (
    CallPeople,
    PersonEvent,
    PutThrough,
)
from bridge.vocabulary.supervision import SupervisorEvent

if TYPE_CHECKING:
    from tests.carriers.conftest import Host, Sent

A, B, C = "v3:a", "v3:b", "v3:c"
CALLER, OURS, ANN, BOB = "+15550199", "+15550100", "+15550111", "+15550112"
UNIX_S = 1_700_000_000
US = "https://voice.example.com"


def put_through(*group: str, from_: str = "ours") -> PutThrough:
    return PutThrough("billing", group or (ANN,), from_, 25.0, "r1")


def call_people(*group: str, from_: str = "ours") -> CallPeople:
    return CallPeople("billing", group or (ANN,), from_, 25.0, "r1")


class Line:
    """One call whose stream is open, on a server that can put it through."""

    def __init__(self, serve: Any, host: "Host", **settings: Any) -> None:
        host.people = True
        self.host = host
        self._serve = serve
        keys = {"public_key": TEST_PUBLIC_KEY, "api_key": "KEY", "connection_id": "7267"}
        self.webhooks = TelnyxWebhooks(TelnyxSettings.model_validate(keys | settings), host)
        self.now = 0.0
        self._events = 0
        self.says("call.initiated", direction="incoming", to=OURS, **{"from": CALLER})
        self.says("call.answered")
        host.under_way.add(A)
        host.sent.clear()

    @property
    def control(self) -> CallControl:
        control = self.host.expected[0][0].control
        assert control is not None
        return control

    def do(self, command: ControlCommand) -> None:
        """The core commands this."""
        assert type(command) in self.control.can
        self.control.perform(command, self.now)

    def says(self, kind: str, call_id: str = A, **payload: Any) -> None:
        """A webhook of the caller's call."""
        self._events += 1
        event = {
            "event_type": kind,
            "id": str(self._events),
            "payload": {"call_control_id": call_id} | payload,
        }
        self.tell(event)

    def tell(self, event: dict[str, Any]) -> None:
        body = json.encode({"data": event})
        signed = {name.lower(): value for name, value in Signer().headers(body, UNIX_S).items()}
        self._serve(self.webhooks, "/telnyx/webhook", body, headers=signed, now=self.now)

    def leg(self, kind: str, leg: str = B, handle: str = "h1", **payload: str) -> None:
        """A webhook of a person's leg."""
        self.says(kind, leg, client_state=PersonState("billing", handle, A).encode(), **payload)

    def told(self) -> list[PersonEvent | SupervisorEvent]:
        """What the core was told since the last time."""
        told = [event for call_id, event in self.host.told if call_id == A]
        self.host.told.clear()
        return told

    def then(self, **commands: ControlCommand) -> None:
        """What the core commands at once when it is told something, by the name of the event."""
        self.host.commands_after = lambda event: (
            self.do(commands[type(event).__name__]) if type(event).__name__ in commands else None
        )

    def asked(self) -> list[tuple[str, str]]:
        """What was asked for, of which call."""
        return [(sent.request.command, sent.request.call_id) for sent in self.host.sent]

    def last(self, command: str) -> "Sent":
        return next(sent for sent in reversed(self.host.sent) if sent.request.command == command)

    def body(self, command: str) -> dict[str, Any]:
        found: dict[str, Any] = json.decode(self.last(command).request.body)
        return found

    def take(self, command: str, **data: object) -> None:
        """Telnyx accepts the last command of this kind."""
        if (taken := self.last(command).taken) is not None:
            taken(data, self.now)

    def take_all(self, *commands: str) -> None:
        """Telnyx accepts all of these kinds, in order."""
        for sent in list(self.host.sent):
            if sent.request.command in commands and sent.taken is not None:
                sent.taken({}, self.now)


def answered_cold(line: Line) -> None:
    line.do(put_through())
    line.take("call person", call_control_id=B)
    line.leg("call.initiated", direction="outgoing")
    line.leg("call.answered")


def joined_cold(line: Line) -> None:
    answered_cold(line)
    line.take_all("streaming_stop")
    line.take("bridge")
    line.leg("call.bridged")
    line.says("call.bridged")
