"""The documents of TwiML and TeXML: what is read out of them, and what a carrier would not do."""

import pytest

from bridge.simulators.carriers.twilio.dialect import TWIML
from bridge.simulators.carriers.voice_documents import (
    Conference,
    ConnectStream,
    Dial,
    Enqueue,
    Hangup,
    Pause,
    Redirect,
    Refer,
    StartStream,
    Target,
    Verb,
    read_document,
)
from bridge.simulators.carriers.voice_xml import StreamElement
from bridge.vocabulary.errors import CallRefused

URL = "https://voice.example.com/twilio/voice"
STREAM = StreamElement("wss://voice.example.com/m")
BOTH = StreamElement("wss://voice.example.com/m", one_way=True, tracks=("inbound", "outbound"))


def read(body: str) -> tuple[Verb, ...]:
    return read_document(f"<Response>{body}</Response>".encode(), URL, TWIML.read_stream).verbs


DOCUMENTS: list[tuple[str, tuple[Verb, ...]]] = [
    ('<Connect><Stream url="/m"/></Connect>', (ConnectStream(STREAM),)),
    (
        '<Connect><Stream url="/m"/></Connect><Redirect method="POST">/twilio/next/h</Redirect>',
        (ConnectStream(STREAM), Redirect("https://voice.example.com/twilio/next/h")),
    ),
    (
        '<Start><Stream url="/m" track="both_tracks"/></Start><Dial>+15550111</Dial>',
        (StartStream(BOTH), Dial((Target("+15550111"),))),
    ),
    (
        '<Dial action="/back" answerOnBridge="true" timeout="25" callerId="+15550199" sequential="true">'
        '<Number machineDetection="Enable" amdStatusCallback="/amd" statusCallback="/person"'
        ' statusCallbackEvent="initiated ringing answered completed">+15550111</Number>'
        "<Sip>sip:ann@pbx.example.com</Sip></Dial>",
        (
            Dial(
                (
                    Target(
                        "+15550111",
                        "https://voice.example.com/person",
                        ("initiated", "ringing", "answered", "completed"),
                        "Enable",
                        "https://voice.example.com/amd",
                    ),
                    Target("sip:ann@pbx.example.com"),
                ),
                action="https://voice.example.com/back",
                timeout_s=25,
                sequential=True,
                answer_on_bridge=True,
                caller_id="+15550199",
            ),
        ),
    ),
    (
        '<Dial action="/back"><Conference participantLabel="caller" beep="false" startConferenceOnEnter="true"'
        ' endConferenceOnExit="true" waitUrl="" jitterBufferSize="small" statusCallback="/room"'
        ' statusCallbackEvent="start end join leave">w0rd</Conference></Dial>',
        (
            Dial(
                conference=Conference(
                    "w0rd",
                    "caller",
                    ends_on_exit=True,
                    wait_url="",
                    status_callback="https://voice.example.com/room",
                    events=("start", "end", "join", "leave"),
                ),
                action="https://voice.example.com/back",
            ),
        ),
    ),
    ("<Dial><Queue>support</Queue></Dial>", (Dial(queue="support"),)),
    (
        '<Refer action="/after"><Sip>sip:ann@pbx.example.com</Sip></Refer>',
        (Refer("sip:ann@pbx.example.com", "https://voice.example.com/after"),),
    ),
    (
        '<Enqueue action="/after" waitUrl="">support</Enqueue>',
        (Enqueue("support", "https://voice.example.com/after", wait_url=""),),
    ),
    ('<Pause length="3"/><Say>Bye.</Say><Hangup/>', (Pause(3), Hangup())),
]


@pytest.mark.parametrize(("body", "verbs"), DOCUMENTS)
def test_a_document(body: str, verbs: tuple[Verb, ...]) -> None:
    assert read(body) == verbs


REFUSED = [
    ("<Dial/>", "calls nobody"),
    ('<Dial timeout="soon">+15550111</Dial>', "<Dial timeout='soon'>"),
    ('<Dial timeout="601">+15550111</Dial>', "from 1 to 600"),
    ('<Dial sequential="yes">+15550111</Dial>', "true or false"),
    ('<Dial calledId="+1">+15550111</Dial>', "<Dial calledId>"),
    ('<Dial method="PUT">+15550111</Dial>', "GET or POST"),
    ("<Dial><Sip>ann@pbx.example.com</Sip></Dial>", "begins with sip:"),
    ('<Dial><Number statusCallbackEvent="in-progress">+1</Number></Dial>', "'in-progress'"),
    ('<Dial><Number machineDetection="true">+1</Number></Dial>', "Enable or DetectMessageEnd"),
    ("<Dial><Conference/></Dial>", "1 to 128"),
    ('<Dial><Conference statusCallbackEvent="begin">r</Conference></Dial>', "'begin'"),
    ("<Reject/><Connect/>", "rejected the call (rejected)"),
    ('<Reject reason="busy"/>', "(busy)"),
    ("<Hangup/>", "hung up before any stream"),
    ("<Say>Hello.</Say>", "it has <Say>"),
]


@pytest.mark.parametrize(("body", "why"), REFUSED)
def test_a_document_that_a_carrier_would_not_obey(body: str, why: str) -> None:
    with pytest.raises(CallRefused) as refused:
        read(body)
    assert why in str(refused.value)
