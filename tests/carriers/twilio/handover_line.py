"""One call on Twilio that can be put through, for the tests of handovers: what Twilio asks, is answered, and is asked for."""

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree as ET

from bridge.carriers.twilio.settings import TwilioSettings
from bridge.carriers.twilio.signature import signature
from bridge.carriers.twilio.webhooks import TwilioWebhooks
from bridge.vocabulary.commands import ControlCommand
from bridge.vocabulary.contracts import CallControl
from bridge.vocabulary.people import (
    CallPeople,
    PersonEvent,
    PutThrough,
)
from bridge.vocabulary.supervision import SupervisorEvent

if TYPE_CHECKING:
    from tests.carriers.conftest import Host

AUTH_TOKEN = "12345"
ACCOUNT = {"account_sid": "AC" + "0" * 32}
CALLER, OURS, ANN, BOB = "+15550199", "+15550100", "+15550111", "+15550112"
CALL = {"CallSid": "CA1", "From": CALLER, "To": OURS, "CallStatus": "in-progress", "CallToken": "token"}
THEN = "https://example.com/next.xml"
US = "https://voice.example.com/twilio"


def put_through(*group: str, from_: str = "ours") -> PutThrough:
    return PutThrough("billing", group or (ANN,), from_, 25.0, "r1")


def call_people(*group: str, from_: str = "ours") -> CallPeople:
    return CallPeople("billing", group or (ANN,), from_, 25.0, "r1")


class Line:
    """One call that can be put through, which Twilio has connected to its stream."""

    def __init__(self, serve: Any, host: "Host", **settings: Any) -> None:
        host.people = True
        self.host = host
        self._serve = serve
        given = {"auth_token": AUTH_TOKEN} | ACCOUNT | settings
        self.webhooks = TwilioWebhooks(TwilioSettings.model_validate(given), host)
        self.now = 0.0
        self.first = self.ask("/twilio/voice", CallStatus="ringing")
        host.under_way.add("CA1")
        self.next = "/twilio/next/h1"

    @property
    def control(self) -> CallControl:
        control = self.host.expected[0][0].control
        assert control is not None
        return control

    def do(self, command: ControlCommand) -> None:
        """The core commands this."""
        assert type(command) in self.control.can
        self.control.perform(command, self.now)

    def ask(self, path: str, **form: str) -> ET.Element | None:
        """Twilio asks, or tells something; the document that it is answered."""
        text = self.text(path, **(CALL | form))
        return ET.fromstring(text) if text else None

    def text(self, path: str, **form: str) -> str:
        path, _, query = path.partition("?")
        target = path + (f"?{query}" if query else "")
        signed = signature(AUTH_TOKEN, self.host.public_url + target, form.items())
        route, _, word = path.removeprefix("/twilio/").partition("/")
        fields: dict[str, Any] = {"word": word} if word else {}
        answer = self._serve(
            self.webhooks,
            f"/twilio/{route}",
            urlencode(form).encode(),
            now=self.now,
            target=target,
            query=dict(parse_qsl(query)),
            headers={"x-twilio-signature": signed},
            **fields,
        )
        return str(answer.text)

    def leg(self, handle: str, sid: str, status: str, **form: str) -> ET.Element | None:
        """Twilio tells of the leg of a person."""
        text = self.text(f"/twilio/person/{handle}", CallSid=sid, CallStatus=status, **form)
        return ET.fromstring(text) if text else None

    def told(self) -> list[PersonEvent | SupervisorEvent]:
        """What the core was told since the last time."""
        told = [event for call_id, event in self.host.told if call_id == "CA1"]
        self.host.told.clear()
        return told

    def then(self, **commands: ControlCommand) -> None:
        """What the core commands at once when it is told something, by the name of the event."""
        self.host.commands_after = lambda event: (
            self.do(commands[type(event).__name__]) if type(event).__name__ in commands else None
        )

    def forms(self, command: str) -> list[dict[str, str]]:
        """The forms of the requests of this kind that were sent."""
        sent = [one.request for one in self.host.sent if one.request.command == command]
        return [dict(parse_qsl(request.body.decode())) for request in sent]

    def due(self) -> None:
        """What is due next falls due."""
        due = self.webhooks.deadline()
        assert due is not None
        self.now = due
        self.webhooks.due(due)


def only(element: ET.Element | None, path: str) -> ET.Element:
    assert element is not None
    (found,) = element.findall(path)
    return found


def verbs(element: ET.Element | None) -> list[str]:
    assert element is not None
    return [verb.tag for verb in element]


def dialled(line: Line, command: PutThrough) -> ET.Element:
    line.do(command)
    return only(line.ask(line.next), "Dial")
