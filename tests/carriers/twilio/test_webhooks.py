"""Twilio's webhooks without sockets: a request, what is answered, which call is expected, and what is logged."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest

from bridge.carriers.shared.webhooks import ExpectedCall, Numbers
from bridge.carriers.twilio.settings import TwilioSettings
from bridge.carriers.twilio.signature import signature
from bridge.carriers.twilio.webhooks import TwilioWebhooks
from bridge.settings.busy import BusySettings
from bridge.vocabulary.call_facts import CallContext, Facts
from bridge.vocabulary.contracts import StreamEnd
from bridge.vocabulary.errors import WebhookRefused

if TYPE_CHECKING:
    from tests.carriers.conftest import Host

AUTH_TOKEN = "12345"
ACCOUNT = {"auth_token": AUTH_TOKEN, "account_sid": "AC" + "0" * 32}
THEN = "https://example.com/next.xml"
CALLS = {"From": "+15550199", "To": "+15550100"}


class Asked:
    """One server's webhooks, asked as Twilio does."""

    def __init__(self, serve: Any, host: "Host", **settings: Any) -> None:
        self.host = host
        self.webhooks = TwilioWebhooks(
            TwilioSettings.model_validate({"auth_token": AUTH_TOKEN} | settings), host
        )
        self.refused: list[tuple[str, str]] = []
        """Why requests were refused, and what their signature was checked against, for the log."""
        self._serve = serve

    def __call__(self, path: str, query: dict[str, str] | None = None, /, **form: str) -> tuple[int, str]:
        """A signed request: the status and the text of the answer."""
        fields = {"CallSid": "CA1"} | form
        target = path + (f"?{urlencode(query)}" if query else "")
        signed = signature(AUTH_TOKEN, self.host.public_url + target, fields.items())
        headers = {"x-twilio-signature": signed}
        return self.send(path, urlencode(fields).encode(), target=target, query=query or {}, headers=headers)

    def send(self, path: str, body: bytes, **fields: Any) -> tuple[int, str]:
        """Any request."""
        try:
            answer = self._serve(self.webhooks, path, body, **fields)
        except WebhookRefused as refused:
            self.refused.append((refused.reason, refused.address))
            return refused.status, str(refused)
        return answer.status, answer.text


def stream(twiml: str, verb: str = "Connect") -> ElementTree.Element:
    found = ElementTree.fromstring(twiml).find(f"{verb}/Stream")
    assert found is not None
    return found


# Who is put through


def test_a_call_is_connected_to_the_socket_that_is_expected(serve: Any, host: "Host") -> None:
    ask = Asked(serve, host, parameters={"clinic": "north"})
    status, twiml = ask("/twilio/voice", {"assistant": "front"}, **CALLS)
    assert (status, stream(twiml).get("url")) == (200, "wss://voice.example.com/media/token1")
    assert stream(twiml).get("statusCallback") == "https://voice.example.com/twilio/status"
    context = CallContext(Facts("+15550199", "+15550100", verified=True))
    assert host.expected == [(ExpectedCall("CA1", "front", context=context), "media")]
    assert host.asked == [("", Numbers("+15550100", "+15550199"), {"clinic": "north"})]


@pytest.mark.parametrize(
    ("form", "numbers"),
    [
        (CALLS, Numbers("+15550100", "+15550199")),
        (CALLS | {"Direction": "inbound"}, Numbers("+15550100", "+15550199")),
        (CALLS | {"Direction": "outbound-api"}, Numbers()),  # they stand the other way round
        (CALLS | {"Direction": "outbound-dial"}, Numbers()),
        ({}, Numbers()),
    ],
)
def test_the_numbers_by_which_it_is_found_out_who_answers(
    form: dict[str, str], numbers: Numbers, serve: Any, host: "Host"
) -> None:
    Asked(serve, host)("/twilio/voice", **form)
    assert [asked[1] for asked in host.asked] == [numbers]


@pytest.mark.parametrize(
    ("answered_by", "settings", "is_put_through"),
    [
        ("human", {}, True),
        ("machine_start", {}, False),
        ("unknown", {}, True),
        ("unknown", {"talk_to": ["human"]}, False),
        ("", {}, True),
    ],
)
def test_who_is_put_through_where_it_was_asked_who_answered(
    answered_by: str, settings: dict[str, Any], is_put_through: bool, serve: Any, host: "Host"
) -> None:
    status, twiml = Asked(serve, host, **settings)("/twilio/voice", AnsweredBy=answered_by)
    assert status == 200
    assert ("<Stream" in twiml) is is_put_through
    assert ("<Hangup" in twiml) is not is_put_through
    assert len(host.expected) == is_put_through
    told = ("info", "= nobody to talk to", {"call_id": "CA1", "answered_by": answered_by})
    assert (told in host.lines) is not is_put_through


def test_a_call_that_is_only_listened_to_goes_on(serve: Any, host: "Host") -> None:
    _, twiml = Asked(serve, host, then=THEN)("/twilio/voice", {"listen": "both_tracks"})
    assert stream(twiml, "Start").get("track") == "both_tracks"
    assert ElementTree.fromstring(twiml).findtext("Redirect") == THEN
    context = CallContext(Facts(verified=True))
    assert host.expected == [(ExpectedCall("CA1", context=context), "listen")]


# Who is not


REFUSED: dict[str, tuple[dict[str, str], dict[str, str], tuple[int, str]]] = {
    # query, form, answer
    "no call": ({}, {"CallSid": ""}, (400, "CallSid is missing: this is not Twilio's voice webhook")),
    "no such track": (
        {"listen": "yes"},
        {},
        (400, "listen = 'yes': should be one of inbound_track, outbound_track, both_tracks"),
    ),
    "nowhere to go on": (
        {"listen": "both_tracks"},
        {},
        (400, "twilio.then is not set: a call that is only listened to would end here"),
    ),
    "no such assistant": ({"assistant": "polly"}, {}, (400, "there is no such assistant")),
    "too many fields": ({}, {f"x{n}": "" for n in range(200)}, (400, "the form has more than 200 fields")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_said_before_the_call_is_answered(name: str, serve: Any, host: "Host") -> None:
    query, form, answer = REFUSED[name]
    assert Asked(serve, host)("/twilio/voice", query, **form) == answer
    assert host.expected == []


def test_the_caller_of_a_refused_call_hears_the_busy_tone(serve: Any, host: "Host") -> None:
    host.full = "the server is closing"
    status, twiml = Asked(serve, host)("/twilio/voice", **CALLS)
    (verb,) = ElementTree.fromstring(twiml)
    assert (status, verb.tag, verb.attrib) == (200, "Reject", {"reason": "busy"})
    assert host.expected == []


def test_a_call_that_would_only_be_listened_to_goes_on_without(serve: Any, host: "Host") -> None:
    host.full = "there are 5 calls"
    host.busy = BusySettings(say="Later, please.")
    _, twiml = Asked(serve, host, then=THEN)("/twilio/voice", {"listen": "both_tracks"})
    (verb,) = ElementTree.fromstring(twiml)
    assert (verb.tag, verb.text) == ("Redirect", THEN)
    assert host.expected == []


def test_who_is_not_put_through_takes_no_place(serve: Any, host: "Host") -> None:
    Asked(serve, host)("/twilio/voice", AnsweredBy="machine_start")
    assert host.placed == []
    Asked(serve, host)("/twilio/voice", AnsweredBy="human")
    assert host.placed == ["CA1"]


FORGED = (403, "the signature does not match")


@pytest.mark.parametrize("path", ["/twilio/voice", "/twilio/status"])
@pytest.mark.parametrize("given", [{}, {"x-twilio-signature": ""}, {"x-twilio-signature": "\xff"}])
def test_a_request_that_twilio_did_not_sign_is_refused(
    path: str, given: dict[str, str], serve: Any, host: "Host"
) -> None:
    assert Asked(serve, host).send(path, b"CallSid=CA1", headers=given) == FORGED
    assert (host.expected, host.lines) == ([], [])


def test_a_signature_is_for_its_address_and_its_form(serve: Any, host: "Host") -> None:
    ask = Asked(serve, host)
    signed = signature(AUTH_TOKEN, "https://voice.example.com/twilio/voice", [("CallSid", "CA1")])
    headers = {"x-twilio-signature": signed}
    assert ask.send("/twilio/voice", b"CallSid=CA1", headers=headers)[0] == 200
    assert ask.send("/twilio/voice", b"CallSid=CA2", headers=headers) == FORGED
    assert ask.send("/twilio/voice", b"CallSid=CA1", headers=headers, target="/twilio/voice?a=b") == FORGED
    assert ask.send("/twilio/status", b"CallSid=CA1", headers=headers) == FORGED
    reason = "its signature is not Twilio's, or not for this address; is public_url what Twilio was told?"
    checked = [f"https://voice.example.com/twilio/{path}" for path in ("voice", "voice", "status")]
    assert ask.refused == [(reason, address) for address in checked], "without the query"


def test_without_a_key_only_an_open_server_believes_that_it_is_twilio(serve: Any, host: "Host") -> None:
    ask = Asked(serve, host, auth_token=None)
    assert ask.send("/twilio/voice", b"CallSid=CA1") == FORGED, "a stranger learns nothing of it"
    assert ask.send("/twilio/status", b"CallSid=CA1") == FORGED
    assert ask.refused == [("twilio.auth_token is not set, so nobody can prove to be Twilio", "")] * 2
    host.allows_unauthenticated = True
    assert ask.send("/twilio/voice", b"CallSid=CA1")[0] == 200
    assert ask.send("/twilio/status", b"CallSid=CA1") == (204, "")


# How it goes on


def test_the_log_tells_how_a_call_goes_on_and_nobody_s_number(serve: Any, host: "Host") -> None:
    assert Asked(serve, host)("/twilio/status", CallStatus="completed", **CALLS) == (204, "")
    assert host.lines == [("info", "< twilio status", {"CallSid": "CA1", "CallStatus": "completed"})]


def test_the_log_tells_why_a_stream_failed_and_not_its_address(serve: Any, host: "Host") -> None:
    error = "31920: wss://voice.example.com/twilio/media/token refused the handshake"
    Asked(serve, host)("/twilio/status", StreamEvent="stream-error", StreamError=error)
    ((level, event, facts),) = host.lines
    assert (level, event) == ("warning", "< twilio status")
    assert facts["StreamError"] == "31920: (address) refused the handshake"


# What is over

SAID = {"StreamSid": "MZ1"}
OVER: dict[str, tuple[dict[str, str], list[str], list[tuple[str, str, bool]]]] = {
    # form, the calls that end, the streams that end
    "completed": ({"CallStatus": "completed"}, ["CA1"], []),
    "busy": ({"CallStatus": "busy"}, ["CA1"], []),
    "failed": ({"CallStatus": "failed"}, ["CA1"], []),
    "no-answer": ({"CallStatus": "no-answer"}, ["CA1"], []),
    "canceled": ({"CallStatus": "canceled"}, ["CA1"], []),
    "a call that we placed": ({"CallStatus": "no-answer", "Direction": "outbound-api"}, ["CA1"], []),
    "another call": ({"CallStatus": "completed", "CallSid": "CA2", "ParentCallSid": "CA1"}, ["CA2"], []),
    "ringing": ({"CallStatus": "ringing"}, [], []),
    "in-progress": ({"CallStatus": "in-progress"}, [], []),
    "a stream stopped": (SAID | {"StreamEvent": "stream-stopped"}, [], [("CA1", "MZ1", False)]),
    "a stream failed": (
        SAID | {"StreamEvent": "stream-error", "StreamError": "31921: closed"},
        [],
        [("CA1", "MZ1", True)],
    ),
    "a stream failed, and nobody says why": (
        SAID | {"StreamEvent": "stream-error"},
        [],
        [("CA1", "MZ1", True)],
    ),
    "a stream goes on after a warning": (
        SAID | {"StreamEvent": "stream-error", "StreamError": "31951: invalid message"},
        [],
        [],
    ),
    "a stream started": (SAID | {"StreamEvent": "stream-started"}, [], []),
    "no stream is named": ({"StreamEvent": "stream-stopped"}, [], []),
    "no call is named": (SAID | {"CallSid": "", "StreamEvent": "stream-stopped"}, [], []),
}


@pytest.mark.parametrize("name", OVER)
def test_what_twilio_says_is_over_ends(name: str, serve: Any, host: "Host") -> None:
    form, calls, streams = OVER[name]
    assert Asked(serve, host)("/twilio/status", **form) == (204, "")
    assert (host.ended, host.streams_ended) == (calls, streams)


def test_nobody_else_can_say_that_a_call_is_over(serve: Any, host: "Host") -> None:
    body = b"CallSid=CA1&CallStatus=completed"
    assert Asked(serve, host).send("/twilio/status", body, headers={}) == FORGED
    assert host.ended == []


def test_a_voice_webhook_of_a_call_that_ends_announces_none(serve: Any, host: "Host") -> None:
    status, twiml = Asked(serve, host)("/twilio/voice", CallStatus="completed")
    assert (status, "<Hangup" in twiml) == (200, True)
    assert (host.ended, host.expected) == (["CA1"], [])


def test_a_voice_webhook_that_comes_again_after_the_call_is_refused(serve: Any, host: "Host") -> None:
    host.over.add("CA1")
    assert Asked(serve, host)("/twilio/voice") == (410, "this call has ended")
    assert host.expected == []


# Call control

HANGS_UP: dict[str, tuple[dict[str, Any], dict[str, str], StreamEnd, list[str]]] = {
    # settings, query, how the stream ended, what the REST API is asked for
    "the stream broke": (ACCOUNT, {}, StreamEnd.BROKEN, ["end call"]),
    "we closed it": (ACCOUNT, {}, StreamEnd.BY_BRIDGE, []),
    "Twilio ended it": (ACCOUNT, {}, StreamEnd.BY_CARRIER, []),
    "it broke, and the call goes on": (ACCOUNT | {"then": THEN}, {}, StreamEnd.BROKEN, []),
    "it broke, and was only listened to": (
        ACCOUNT | {"then": THEN},
        {"listen": "both_tracks"},
        StreamEnd.BROKEN,
        [],
    ),
    "it broke, and no account is set": ({}, {}, StreamEnd.BROKEN, []),
}


@pytest.mark.parametrize("name", HANGS_UP)
def test_a_call_is_ended_by_rest_only_where_twilio_may_not_have_noticed(
    name: str, serve: Any, host: "Host"
) -> None:
    settings, query, end, commands = HANGS_UP[name]
    assert Asked(serve, host, **settings)("/twilio/voice", query)[0] == 200
    ((call, _),) = host.expected
    if call.control is not None:
        assert call.control.can == frozenset()
        call.control.hang_up(end, 1.0)
    assert host.commands == commands
    for sent in host.sent:
        assert (sent.request.call_id, sent.request.body) == ("CA1", b"Status=completed")
        assert host.lines[-1][:2] == ("info", "> twilio end call")


def test_nothing_falls_due(serve: Any, host: "Host") -> None:
    ask = Asked(serve, host, **ACCOUNT)
    ask("/twilio/voice")
    assert ask.webhooks.deadline() is None
    ask.webhooks.due(1.0)
    ask.webhooks.close(2.0)
    assert host.sent == []
