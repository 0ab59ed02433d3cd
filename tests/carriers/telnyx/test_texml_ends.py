"""What a callback of TeXML ends: a call, a stream of it, or nothing."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.webhooks import TelnyxWebhooks
from bridge.vocabulary.errors import WebhookRefused

if TYPE_CHECKING:
    from tests.carriers.conftest import Host

SAID = {"StreamSid": "S1"}
OVER: dict[str, tuple[dict[str, str], list[str], list[tuple[str, str, bool]]]] = {
    # form, the calls that end, the streams that end
    "completed": ({"CallStatus": "completed"}, ["v3:1"], []),
    "no-answer": ({"CallStatus": "no-answer"}, ["v3:1"], []),
    "another call": ({"CallStatus": "busy", "CallSid": "v3:2"}, ["v3:2"], []),
    "ringing": ({"CallStatus": "ringing"}, [], []),
    "a stream stopped": (SAID | {"StreamEvent": "stream-stopped"}, [], [("v3:1", "S1", False)]),
    "a stream failed": (SAID | {"StreamEvent": "stream-failed"}, [], [("v3:1", "S1", True)]),
    "a stream failed, in Twilio's word": (SAID | {"StreamEvent": "stream-error"}, [], [("v3:1", "S1", True)]),
    "a stream started": (SAID | {"StreamEvent": "stream-started"}, [], []),
}


def ask(serve: Any, host: "Host", path: str, form: dict[str, str]) -> tuple[int, str]:
    host.allows_unauthenticated = True
    webhooks = TelnyxWebhooks(TelnyxSettings(), host)
    try:
        answer = serve(webhooks, path, urlencode({"CallSid": "v3:1"} | form).encode())
    except WebhookRefused as refused:
        return refused.status, str(refused)
    return answer.status, answer.text


@pytest.mark.parametrize("name", OVER)
def test_what_telnyx_says_is_over_ends(name: str, serve: Any, host: "Host") -> None:
    form, calls, streams = OVER[name]
    assert ask(serve, host, "/telnyx/stream", form) == (204, "")
    assert (host.ended, host.streams_ended) == (calls, streams)


def test_a_voice_webhook_of_a_call_that_ends_announces_none(serve: Any, host: "Host") -> None:
    status, texml = ask(serve, host, "/telnyx/texml", {"CallStatus": "completed"})
    assert (status, "<Hangup" in texml) == (200, True)
    assert (host.ended, host.expected) == (["v3:1"], [])


def test_a_voice_webhook_that_comes_again_after_the_call_is_refused(serve: Any, host: "Host") -> None:
    host.over.add("v3:1")
    assert ask(serve, host, "/telnyx/texml", {}) == (410, "this call has ended")
    assert host.expected == []
