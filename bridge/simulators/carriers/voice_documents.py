"""Reads the documents that TwiML and TeXML webhooks answer with, into the verbs that the simulated carriers obey.

Wire: Twilio, "TwiML Voice: <Dial>, <Number>, <Sip>, <Conference>, <Queue>, <Enqueue>, <Refer>, <Redirect>, <Reject>,
<Pause>, <Hangup>"; Telnyx, "TeXML verbs". Verbs that are not here (Say, Play, Gather) are skipped. Where a carrier would log a
warning about an attribute and go on, this raises, so that a test sees it. There is no I/O here.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from urllib.parse import urljoin
from xml.etree import ElementTree

from bridge.simulators.carriers.voice_xml import StreamElement, first_stream
from bridge.vocabulary.errors import CallRefused

ReadStream = Callable[[ElementTree.Element, str, bool], StreamElement]
"""Reads a `<Stream>`: the element, the URL of its document, and whether it stands under `<Start>`."""

LONGEST_DIAL_S = 600
CALL_EVENTS = frozenset({"initiated", "ringing", "answered", "completed"})
ROOM_EVENTS = frozenset(
    {"start", "end", "join", "leave", "mute", "hold", "modify", "speaker", "announcement"}
)


@dataclass(frozen=True, slots=True)
class ConnectStream:
    """`<Connect><Stream>`: the document waits until the stream has ended."""

    stream: StreamElement


@dataclass(frozen=True, slots=True)
class StartStream:
    """`<Start><Stream>`: the stream goes on beside the document."""

    stream: StreamElement


@dataclass(frozen=True, slots=True)
class StopStream:
    """`<Stop><Stream>`: the stream of this name, which goes on beside the document, ends."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody whom `<Dial>` calls. `address`: a number in E.164 form, or `sip:…`."""

    address: str
    status_callback: str = ""
    events: tuple[str, ...] = ("completed",)
    machine_detection: str = ""
    amd_status_callback: str = ""
    send_digits: str = ""


@dataclass(frozen=True, slots=True)
class Conference:
    """The conference of a `<Dial>`. `wait_url`: None is the carrier's own music, empty is silence."""

    name: str
    label: str = ""
    muted: bool = False
    starts_on_enter: bool = True
    ends_on_exit: bool = False
    coach: str = ""
    wait_url: str | None = None
    status_callback: str = ""
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dial:
    """`<Dial>`: calls its targets, or joins a conference, or takes the first call out of a queue."""

    targets: tuple[Target, ...] = ()
    conference: Conference | None = None
    queue: str = ""
    action: str = ""
    method: str = "POST"
    timeout_s: int = 30
    sequential: bool = False
    answer_on_bridge: bool = False
    caller_id: str = ""


@dataclass(frozen=True, slots=True)
class Enqueue:
    """`<Enqueue>`: the call waits in a queue."""

    queue: str
    action: str = ""
    method: str = "POST"
    wait_url: str | None = None


@dataclass(frozen=True, slots=True)
class Refer:
    """`<Refer>`: the call's party is told to call another SIP address in place of us."""

    address: str
    action: str = ""
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Redirect:
    """`<Redirect>`: another document takes the place of this one."""

    url: str
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Reject:
    """`<Reject>`: an inbound call ends without an answer. `reason`: `rejected` or `busy`."""

    reason: str = "rejected"


@dataclass(frozen=True, slots=True)
class Pause:
    """`<Pause>`: nothing for `seconds`."""

    seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Hangup:
    """`<Hangup>`: the call ends."""


Verb = ConnectStream | StartStream | StopStream | Dial | Enqueue | Refer | Redirect | Reject | Pause | Hangup

FLOWS = (ConnectStream, StartStream, StopStream, Dial, Enqueue, Refer, Redirect, Pause)
"""Verbs by which a call goes on."""


@dataclass(frozen=True, slots=True)
class Document:
    """The verbs of one document, in order. `url`: where it came from; relative addresses in it are resolved already."""

    verbs: tuple[Verb, ...] = ()
    url: str = field(default="", compare=False)


def read_document(answer: bytes, url: str, read_stream: ReadStream) -> Document:
    """Read a webhook's answer. Raises `CallRefused` with the reason if a carrier would not do what it says.

    So it does if nothing in it keeps the call: the reason then names the verbs that it has.
    """
    try:
        root = ElementTree.fromstring(answer)  # noqa: S314 - 64 KiB, and expat bounds what entities may grow to
    except ElementTree.ParseError as error:
        raise CallRefused(f"the webhook's answer is not XML: {error}") from error
    reader = _Reader(url, read_stream)
    verbs = tuple(verb for element in root for verb in reader.verb(element))
    kept = verbs[0] if verbs else None
    if root.tag != "Response" or not isinstance(kept, FLOWS):
        first_stream(answer)  # raises with the reason
    return Document(verbs, url)


class _Reader:
    """Reads the elements of one document."""

    def __init__(self, url: str, read_stream: ReadStream) -> None:
        self._url = url
        self._read_stream = read_stream

    def verb(self, element: ElementTree.Element) -> list[Verb]:
        """The verb of an element; nothing for one that is skipped."""
        match element.tag:
            case "Connect" | "Start" if (stream := element.find("Stream")) is not None:
                one_way = element.tag == "Start"
                wanted = self._read_stream(stream, self._url, one_way)
                return [StartStream(wanted) if one_way else ConnectStream(wanted)]
            case "Stop" if (stream := element.find("Stream")) is not None:
                return [StopStream(stream.get("name", ""))]
            case "Dial":
                return [self._dial(element)]
            case "Enqueue":
                _known(element, {"action", "method", "waitUrl", "waitUrlMethod", "workflowSid"})
                return [
                    Enqueue(
                        _text(element) or element.get("workflowSid", ""),
                        self._address(element, "action"),
                        _method(element),
                        element.get("waitUrl"),
                    )
                ]
            case "Refer":
                return [self._refer(element)]
            case "Redirect":
                _known(element, {"method"})
                return [Redirect(urljoin(self._url, _text(element)), _method(element))]
            case "Reject":
                return [Reject(_one_of(element, "reason", "rejected", ("rejected", "busy")))]
            case "Pause":
                return [Pause(_whole(element, "length", 1, 3_600))]
            case "Hangup":
                return [Hangup()]
            case _:
                return []

    def _refer(self, element: ElementTree.Element) -> Refer:
        _known(element, {"action", "method"})
        sip = element.find("Sip")
        address = "" if sip is None else _text(sip)
        if not address.startswith(("sip:", "sips:")):
            raise CallRefused(f"<Refer><Sip>{address}: expected an address that begins with sip:")
        return Refer(address, self._address(element, "action"), _method(element))

    def _dial(self, element: ElementTree.Element) -> Dial:
        _known(element, _DIAL)
        targets = [self._target(one) for one in element if one.tag in ("Number", "Sip", "Client")]
        if (number := _text(element)) and not len(element):
            targets = [Target(number)]
        room, queue = element.find("Conference"), element.find("Queue")
        if not targets and room is None and queue is None:
            raise CallRefused("<Dial> calls nobody: expected Number, Sip, Conference or Queue in it")
        return Dial(
            tuple(targets),
            None if room is None else self._conference(room),
            "" if queue is None else _text(queue),
            self._address(element, "action"),
            _method(element),
            _whole(element, "timeout", 30, LONGEST_DIAL_S),
            _flag(element, "sequential", False),
            _flag(element, "answerOnBridge", False),
            element.get("callerId", ""),
        )

    def _target(self, element: ElementTree.Element) -> Target:
        _known(element, _TARGET)
        address = _text(element)
        if element.tag == "Sip" and not address.startswith("sip:"):
            raise CallRefused(f"<Sip>{address}</Sip>: expected an address that begins with sip:")
        return Target(
            address,
            self._address(element, "statusCallback"),
            _events(element, "statusCallbackEvent", CALL_EVENTS) or ("completed",),
            _one_of(element, "machineDetection", "", ("Enable", "DetectMessageEnd")),
            self._address(element, "amdStatusCallback"),
            element.get("sendDigits", ""),
        )

    def _conference(self, element: ElementTree.Element) -> Conference:
        _known(element, _CONFERENCE)
        name = _text(element)
        if not 0 < len(name) <= 128:
            raise CallRefused("<Conference>: expected a name of 1 to 128 characters")
        return Conference(
            name,
            element.get("participantLabel", ""),
            _flag(element, "muted", False),
            _flag(element, "startConferenceOnEnter", True),
            _flag(element, "endConferenceOnExit", False),
            element.get("coach", ""),
            element.get("waitUrl"),
            self._address(element, "statusCallback"),
            _events(element, "statusCallbackEvent", ROOM_EVENTS),
        )

    def _address(self, element: ElementTree.Element, name: str) -> str:
        given = element.get(name, "")
        return urljoin(self._url, given) if given else ""


_DIAL = {
    "action", "method", "timeout", "sequential", "answerOnBridge", "callerId", "timeLimit", "hangupOnStar",
    "record", "ringTone", "referUrl", "referMethod",
}  # fmt: skip
_TARGET = {
    "statusCallback", "statusCallbackEvent", "statusCallbackMethod", "machineDetection", "amdStatusCallback",
    "amdStatusCallbackMethod", "machineDetectionTimeout", "machineDetectionSpeechThreshold", "sendDigits",
    "machineDetectionSpeechEndThreshold", "machineDetectionSilenceTimeout", "url", "method", "byoc", "codecs",
}  # fmt: skip
_CONFERENCE = {
    "participantLabel", "muted", "beep", "startConferenceOnEnter", "endConferenceOnExit", "coach", "waitUrl",
    "waitMethod", "statusCallback", "statusCallbackEvent", "statusCallbackMethod", "jitterBufferSize", "region",
    "maxParticipants", "record", "trim", "eventCallbackUrl", "recordingStatusCallback", "holdMusic", "maxDuration",
}  # fmt: skip


def _text(element: ElementTree.Element) -> str:
    return (element.text or "").strip()


def _known(element: ElementTree.Element, names: Collection[str]) -> None:
    for name in element.attrib:
        if name not in names:
            raise CallRefused(f"<{element.tag} {name}>: there is no such attribute")


def _flag(element: ElementTree.Element, name: str, default: bool) -> bool:
    return _one_of(element, name, str(default).lower(), ("true", "false")) == "true"


def _one_of(element: ElementTree.Element, name: str, default: str, supported: tuple[str, ...]) -> str:
    value = element.get(name, default)
    if value not in (default, *supported):
        raise CallRefused(f"<{element.tag} {name}={value!r}>: expected {' or '.join(supported)}")
    return value


def _method(element: ElementTree.Element) -> str:
    return _one_of(element, "method", "POST", ("GET", "POST"))


def _whole(element: ElementTree.Element, name: str, default: int, most: int) -> int:
    value = element.get(name, str(default))
    if not value.isascii() or not value.isdigit() or not 0 < int(value) <= most:
        raise CallRefused(f"<{element.tag} {name}={value!r}>: expected a whole number from 1 to {most}")
    return int(value)


def _events(element: ElementTree.Element, name: str, supported: frozenset[str]) -> tuple[str, ...]:
    given = tuple(element.get(name, "").split())
    for event in given:
        if event not in supported:
            raise CallRefused(f"<{element.tag} {name}>: {event!r} is none of {', '.join(sorted(supported))}")
    return given
