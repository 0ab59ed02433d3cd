"""Telnyx's webhooks without sockets: a request, what is answered, which call is expected, and what is logged."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from msgspec import json

from bridge.carriers.shared.webhooks import FORM, JSON, ExpectedCall, Numbers
from bridge.carriers.telnyx.events import REMEMBERED_S
from bridge.carriers.telnyx.phone_call import ClientState
from bridge.carriers.telnyx.phone_calls import VERDICT_S
from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.signature import TOLERANCE_S, SignatureFault
from bridge.carriers.telnyx.webhooks import TelnyxWebhooks
from bridge.simulators.carriers.telnyx.webhooks import TEST_PUBLIC_KEY, Signer
from bridge.vocabulary.call_facts import CallContext, Facts
from bridge.vocabulary.commands import PressKeys
from bridge.vocabulary.contracts import StreamEnd
from bridge.vocabulary.errors import WebhookRefused

if TYPE_CHECKING:
    from tests.carriers.conftest import Host

UNIX_S = 1_700_000_000
OTHER_SEED = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
PAYLOAD = {"call_control_id": "v3:1", "direction": "incoming", "to": "+15550100", "from": "+15550199"}
RINGS: dict[str, Any] = {"event_type": "call.initiated", "id": "1", "payload": PAYLOAD}
TEXML = {"CallSid": "v3:1", "From": "+15550199", "To": "+15550100"}
THEN = "https://example.com/next.xml"


def encoded(event: object) -> bytes:
    return json.encode({"data": event})


def signed(body: bytes, *, ago_s: int = 0, seed: str | None = None) -> dict[str, str]:
    signer = Signer() if seed is None else Signer(seed)
    return {name.lower(): value for name, value in signer.headers(body, UNIX_S - ago_s).items()}


NOT_PROVED = (403, "the signature does not match")


class Asked:
    """One server's webhooks, asked as Telnyx does."""

    def __init__(self, serve: Any, host: "Host", **settings: Any) -> None:
        keys = {"public_key": TEST_PUBLIC_KEY, "api_key": "KEY"}
        self.host = host
        self.webhooks = TelnyxWebhooks(TelnyxSettings.model_validate(keys | settings), host)
        self.reasons: list[str] = []  # why requests were refused, for the log
        self._serve = serve

    def send(self, path: str, body: bytes, headers: dict[str, str], **fields: Any) -> tuple[int, str]:
        """Any request; the status and the text of the answer."""
        try:
            answer = self._serve(self.webhooks, f"/telnyx/{path}", body, headers=headers, **fields)
        except WebhookRefused as refused:
            self.reasons.append(refused.reason)
            return refused.status, str(refused)
        return answer.status, answer.text

    def tell(self, event: object, *, now: float = 0.0, **fields: Any) -> tuple[int, str]:
        """A webhook of Call Control that Telnyx signed."""
        body = encoded(event)
        return self.send("webhook", body, signed(body), now=now, **fields)

    def says(self, kind: str, now: float = 0.0, /, **payload: str) -> None:
        """A call under way has come so far."""
        told = len(self.host.lines)
        event = {"event_type": kind, "id": f"{kind} {told}", "payload": PAYLOAD | payload}
        assert self.tell(event, now=now) == (204, "")

    def ask(self, path: str = "texml", query: dict[str, str] | None = None, **form: str) -> tuple[int, str]:
        """A form that Telnyx signed."""
        body = urlencode(TEXML | form).encode()
        return self.send(path, body, signed(body), query=query or {})


def turned_away(host: "Host") -> bool:
    return (host.expected, host.sent, host.lines) == ([], [], [])


# Who is let in

DOUBTFUL: dict[str, tuple[dict[str, str], SignatureFault]] = {
    "unsigned": ({}, SignatureFault.UNSIGNED),
    "no time": (signed(encoded(RINGS)) | {"telnyx-timestamp": ""}, SignatureFault.UNSIGNED),
    "rubbish": (signed(encoded(RINGS)) | {"telnyx-signature-ed25519": "%"}, SignatureFault.UNSIGNED),
    "another key's": (signed(encoded(RINGS), seed=OTHER_SEED), SignatureFault.FORGED),
    "altered": (signed(encoded(RINGS | {"id": "2"})), SignatureFault.FORGED),
    "another time's": (signed(encoded(RINGS)) | {"telnyx-timestamp": "1"}, SignatureFault.FORGED),
    "stale": (signed(encoded(RINGS), ago_s=TOLERANCE_S + 1), SignatureFault.STALE),
    "from the future": (signed(encoded(RINGS), ago_s=-TOLERANCE_S - 1), SignatureFault.STALE),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_a_webhook_in_doubt_is_turned_away(name: str, serve: Any, host: "Host") -> None:
    headers, fault = DOUBTFUL[name]
    ask = Asked(serve, host)
    assert ask.send("webhook", encoded(RINGS), headers) == NOT_PROVED
    unsigned = fault is SignatureFault.UNSIGNED
    other = fault if unsigned else SignatureFault.FORGED  # what was signed is another body
    for path in ("texml", "stream"):
        assert ask.send(path, b"CallSid=1", headers) == NOT_PROVED
    assert ask.reasons == [str(fault), str(other), str(other)]
    assert turned_away(host)


def test_a_webhook_may_be_as_old_as_telnyx_says(serve: Any, host: "Host") -> None:
    body = encoded(RINGS)
    assert Asked(serve, host).send("webhook", body, signed(body, ago_s=TOLERANCE_S)) == (204, "")


def test_without_a_key_only_an_open_server_believes_that_it_is_telnyx(serve: Any, host: "Host") -> None:
    ask = Asked(serve, host, public_key=None)
    assert ask.tell(RINGS) == ask.ask() == ask.ask("stream") == NOT_PROVED, "a stranger learns nothing of it"
    assert ask.reasons == ["telnyx.public_key is not set, so nobody can prove to be Telnyx"] * 3
    assert turned_away(host)
    host.allows_unauthenticated = True
    assert ask.tell(RINGS) == ask.ask("stream") == (204, "")
    assert ask.ask()[0] == 200


def test_without_an_api_key_no_call_is_answered_and_the_reason_is_told(serve: Any, host: "Host") -> None:
    ask = Asked(serve, host, api_key=None)
    assert ask.tell(RINGS) == (
        403,
        "telnyx.api_key is not set, and a call under Call Control is answered with it; /telnyx/texml needs none",
    )
    assert ask.tell(RINGS | {"event_type": "call.novelty"}) == (204, "")
    assert ask.ask()[0] == 200
    assert ask.webhooks.deadline() is None
    ask.webhooks.close(0.0)


# What is understood


def test_a_repeated_webhook_makes_no_difference(serve: Any, host: "Host") -> None:
    ask = Asked(serve, host)
    for _ in range(2):
        assert ask.tell(RINGS) == (204, "")
    unwrapped = json.encode(RINGS)
    assert ask.send("webhook", unwrapped, signed(unwrapped)) == (204, "")
    assert host.commands == ["answer"]
    told = {"type": "call.initiated", "call_id": "v3:1"}
    assert host.lines == [
        ("info", "< telnyx webhook", told),
        ("info", "< telnyx webhook", told | {"repeated": True}),
        ("info", "< telnyx webhook", told | {"repeated": True}),
    ]


def test_a_webhook_without_its_wrapper(serve: Any, host: "Host") -> None:
    body = json.encode(RINGS)
    assert Asked(serve, host).send("webhook", body, signed(body)) == (204, "")
    assert host.commands == ["answer"]


@pytest.mark.parametrize("kind", ["call.novelty", "message.received", "x" * 500])
def test_a_novelty_is_no_fault(kind: str, serve: Any, host: "Host") -> None:
    assert Asked(serve, host).tell(RINGS | {"event_type": kind}) == (204, "")
    assert host.commands == []
    assert host.lines == [("info", "< telnyx webhook", {"type": kind[:80], "ignored": True})]


def test_a_call_that_is_somebody_else_s_is_let_be(serve: Any, host: "Host") -> None:
    ask = Asked(serve, host)
    for kind in ("call.initiated", "call.answered", "streaming.failed", "call.hangup"):
        ask.says(kind, direction="outgoing", client_state="aGV5")
    assert host.commands == []
    assert host.asked == []


NO_WEBHOOK = {
    "no JSON": b'{"data":',
    "nothing": b"",
    "a list": b"[]",
    "no type": encoded({"id": "1", "payload": PAYLOAD}),
    "no call": encoded(RINGS | {"payload": {}}),
    "nested without end": b"[" * 60_000,
}


@pytest.mark.parametrize("name", NO_WEBHOOK)
def test_what_is_no_webhook_is_refused(name: str, serve: Any, host: "Host") -> None:
    body = NO_WEBHOOK[name]
    status, why = Asked(serve, host).send("webhook", body, signed(body))
    assert status == 400
    assert why.startswith("webhook: ")
    assert turned_away(host)


def test_the_content_types_that_are_expected(serve: Any, host: "Host") -> None:
    routes = {route.path: route.content_type for route in Asked(serve, host).webhooks.routes()}
    forms = dict.fromkeys(("texml", "stream", "next", "back", "person", "room"), FORM)
    of_each = {"webhook": JSON, "leg": JSON} | forms
    assert routes == {f"/telnyx/{name}": content_type for name, content_type in of_each.items()}


# Who answers


def test_a_call_that_comes_in_is_asked_about_once(serve: Any, host: "Host") -> None:
    ask = Asked(serve, host, parameters={"clinic": "north"})
    assert ask.tell(RINGS, word="sales", query={"assistant": "front"}) == (204, "")
    ask.says("call.answered")
    assert host.asked == [("sales", Numbers("+15550100", "+15550199"), {"clinic": "north"})]
    assert [call.assistant for call, _ in host.expected] == ["front"]


def test_a_call_of_an_assistant_that_is_gone_gets_the_default_one(serve: Any, host: "Host") -> None:
    Asked(serve, host).says("call.answered", client_state=ClientState("polly").encode())
    assert [call.assistant for call, _ in host.expected] == [""]
    facts = {"call_id": "v3:1", "assistant": "polly"}
    assert ("warning", "= there is no such assistant; the default one answers", facts) in host.lines


# Under Call Control


def answered(serve: Any, host: "Host") -> tuple[Asked, ExpectedCall]:
    """A call that streams, and what the server was told to expect."""
    ask = Asked(serve, host)
    ask.tell(RINGS)
    host.take(0.0)
    ask.says("call.answered")
    host.take(0.0)
    ((call, kind),) = host.expected
    assert kind == "media"
    return ask, call


def test_a_call_is_answered_and_its_stream_started_with_an_address_of_its_own(
    serve: Any, host: "Host"
) -> None:
    answered(serve, host)
    assert host.commands == ["answer", "streaming_start"]
    start = json.decode(host.sent[1].request.body)
    assert start["stream_url"] == "wss://voice.example.com/media/token1"
    assert len({json.decode(sent.request.body)["command_id"] for sent in host.sent}) == 2


def test_after_the_hang_up_nothing_is_asked_for(serve: Any, host: "Host") -> None:
    ask, call = answered(serve, host)
    ask.says("call.hangup", hangup_cause="normal_clearing")
    assert host.ended == ["v3:1"]
    assert host.lines[-1][2]["hangup_cause"] == "normal_clearing"
    assert call.control is not None
    call.control.perform(PressKeys("1"), 1.0)
    call.control.hang_up(StreamEnd.BY_CARRIER, 1.0)
    assert host.commands == ["answer", "streaming_start"]


@pytest.mark.parametrize("kind", ["streaming.stopped", "streaming.failed"])
def test_the_end_of_its_stream_ends_the_session_at_once_and_hangs_up(
    kind: str, serve: Any, host: "Host"
) -> None:
    ask, _call = answered(serve, host)
    ask.says(kind)
    assert host.ended == ["v3:1"]
    assert host.commands == ["answer", "streaming_start", "hangup"]


def test_the_end_of_a_stream_of_a_call_that_is_not_ours_ends_nothing(serve: Any, host: "Host") -> None:
    Asked(serve, host).says("streaming.stopped")
    assert (host.ended, host.commands) == ([], [])


def test_a_verdict_that_does_not_come_is_waited_for_so_long(serve: Any, host: "Host") -> None:
    ask = Asked(serve, host, talk_to=["human"])
    ours = {"client_state": ClientState("front", wants_human=True).encode(), "direction": "outgoing"}
    ask.says("call.initiated", **ours)
    ask.says("call.answered", 10.0, **ours)
    assert ask.webhooks.deadline() == 10.0 + VERDICT_S
    ask.webhooks.due(10.0 + VERDICT_S)
    assert host.commands == ["hangup"]
    assert ask.webhooks.deadline() is None


# The server closes


@pytest.mark.parametrize("code", ["", "90018"], ids=["in time", "it is over already"])
def test_a_refused_call_is_rejected_as_busy_and_never_answered(code: str, serve: Any, host: "Host") -> None:
    host.full = "the server is closing"
    ask = Asked(serve, host)
    assert ask.tell(RINGS) == (204, "")
    assert json.decode(host.sent[0].request.body) == {"cause": "USER_BUSY", "command_id": "id0"}
    host.refuse(0.0, code) if code else host.take(0.0)
    ask.says("call.answered")
    ask.says("call.hangup", hangup_cause="user_busy")
    assert host.commands == ["reject"]
    assert host.ended == ["v3:1"]


def test_a_call_that_we_place_is_refused_while_it_rings(serve: Any, host: "Host") -> None:
    host.full = "there are 5 calls"
    ours = {"client_state": ClientState("front").encode(), "direction": "outgoing"}
    ask = Asked(serve, host)
    ask.says("call.initiated", direction="outgoing")
    assert host.placed == [], "it is another program's"
    ask.says("call.initiated", **ours)
    ask.says("call.answered", **ours)
    assert host.commands == ["hangup"]


def test_a_server_that_closes_hangs_up_and_waits_for_no_key(serve: Any, host: "Host") -> None:
    ask, call = answered(serve, host)
    assert call.control is not None
    call.control.perform(PressKeys("1"), 1.0)
    host.take(1.0)
    ask.webhooks.close(1.1)
    assert host.commands[2:] == ["send_dtmf", "hangup"]
    assert ask.webhooks.deadline() is None


def test_keys_that_are_under_way_when_the_server_closes_keep_nobody(serve: Any, host: "Host") -> None:
    ask, call = answered(serve, host)
    assert call.control is not None
    call.control.perform(PressKeys("1"), 1.0)
    call.control.perform(PressKeys("2"), 1.0)
    ask.webhooks.close(1.1)
    host.take(1.2, number=2)
    assert host.commands[2:] == ["send_dtmf", "hangup"]
    assert ask.webhooks.deadline() is None


def test_a_delivery_is_new_again_after_a_while(serve: Any, host: "Host") -> None:
    ask = Asked(serve, host)
    novel = RINGS | {"payload": PAYLOAD | {"direction": "outgoing"}}
    for now in (0.0, REMEMBERED_S - 1, REMEMBERED_S):
        ask.tell(novel, now=now)
    assert [bool(facts.get("repeated")) for _, _, facts in host.lines] == [False, True, False]


# TeXML

REFUSED: dict[str, tuple[dict[str, str], dict[str, str], tuple[int, str]]] = {
    # query, form, answer
    "no call": ({}, {"CallSid": ""}, (400, "CallSid is missing: this is not TeXML's voice webhook")),
    "neither true nor false": ({"listen": "yes"}, {}, (400, "listen = 'yes': should be true or false")),
    "nowhere to go on": (
        {"listen": "true"},
        {},
        (400, "telnyx.then is not set: a call that is only listened to would end here"),
    ),
    "no such assistant": ({"assistant": "polly"}, {}, (400, "there is no such assistant")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_said_before_the_call_is_answered(name: str, serve: Any, host: "Host") -> None:
    query, form, answer = REFUSED[name]
    assert Asked(serve, host).ask(query=query, **form) == answer
    assert host.expected == []


def test_the_caller_of_a_refused_texml_call_hears_the_busy_tone(serve: Any, host: "Host") -> None:
    host.full = "the server is closing"
    status, document = Asked(serve, host).ask()
    assert (status, '<Reject reason="busy" />' in document) == (200, True)


@pytest.mark.parametrize(
    ("query", "verb", "reconnects", "kind", "returns_s"),
    [({}, "Connect", "true", "media", 7.0), ({"listen": "true"}, "Start", "false", "listen", 0.0)],
)
def test_a_stream_is_dialled_again_where_the_call_would_be_taken_up(
    query: dict[str, str],
    verb: str,
    reconnects: str,
    kind: str,
    returns_s: float,
    serve: Any,
    host: "Host",
) -> None:
    status, document = Asked(serve, host, then=THEN, return_s=7).ask(query=query)
    assert status == 200
    stream = ElementTree.fromstring(document).find(f"{verb}/Stream")
    assert stream is not None
    assert stream.get("enableReconnect") == reconnects
    assert stream.get("url") == f"wss://voice.example.com/{kind}/token1"
    assert stream.get("statusCallback") == "https://voice.example.com/telnyx/stream"
    context = CallContext(Facts("+15550199", "+15550100", verified=True))
    assert host.expected == [(ExpectedCall("v3:1", returns_s=returns_s, context=context), kind)]


def test_how_a_stream_fares_is_logged_without_its_address(serve: Any, host: "Host") -> None:
    error = "wss://voice.example.com/telnyx/media/secret refused"
    assert Asked(serve, host).ask("stream", StreamEvent="stream-failed", StreamError=error) == (204, "")
    ((level, event, facts),) = host.lines
    assert (level, event, facts["CallSid"]) == ("warning", "< telnyx stream", "v3:1")
    assert "secret" not in str(facts)
    assert "+1555" not in str(facts)
