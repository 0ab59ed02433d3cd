"""A stream that is announced for a call under way goes on with its session; and what a webhook may ask of that session."""

import asyncio
import json
from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest

from bridge.carriers.shared.webhooks import ExpectedCall
from bridge.config.settings import Settings
from bridge.shell.admission import Admission
from bridge.shell.handles import new_handle, owner_in
from bridge.shell.switchboard import Switchboard
from bridge.shell.websocket import SocketLeg
from bridge.vocabulary.people import PersonLeft

UPGRADE = {"Upgrade": "websocket"}
RETURNS_S = 10.0
"""So that the call goes on without a stream for a while, as one does that is with a person."""


@pytest.fixture
async def admission() -> AsyncIterator[Admission]:
    settings = Settings.model_validate({"assistant": "echo", "twilio": {"auth_token": "12345"}})
    switchboard = Switchboard(settings)
    made = Admission(settings, switchboard)
    made.public_url = "https://voice.example.com"
    yield made
    made.close()
    await asyncio.sleep(0)
    made.break_off()
    await switchboard.aclose()


def path_of(admission: Admission, *, continues: bool = False, call_id: str = "CA1") -> str:
    expected = ExpectedCall(call_id, returns_s=RETURNS_S, continues=continues)
    return admission.expect("twilio", expected).removeprefix("wss://voice.example.com")


def start_of(stream: str, call_id: str = "CA1") -> str:
    media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    body = {"streamSid": stream, "callSid": call_id, "tracks": ["inbound"], "mediaFormat": media_format}
    return json.dumps({"event": "start", "streamSid": stream, "start": body})


def let_in(admission: Admission, path: str, *said: str) -> SocketLeg:
    leg = admission.admit(path, UPGRADE)
    assert isinstance(leg, SocketLeg)
    for message in said:
        leg._receive(message)
    return leg


async def test_another_stream_with_a_token_of_its_own_goes_on_with_the_session(admission: Admission) -> None:
    first = let_in(admission, path_of(admission), start_of("MZ1"))
    (active,) = admission.active
    first._lost(1000, "")
    path = path_of(admission, continues=True)
    let_in(admission, path, start_of("MZ2"))
    assert [one.session for one in admission.active] == [active.session]
    assert admission.promised == 0
    assert admission.admit(path, UPGRADE) is HTTPStatus.FORBIDDEN, "the token is good once"


async def test_also_while_the_server_closes(admission: Admission) -> None:
    let_in(admission, path_of(admission), start_of("MZ1"))._lost(1000, "")
    path = path_of(admission, continues=True)
    admission.refuse_new_calls()
    let_in(admission, path, start_of("MZ2"))
    assert admission.calls == 1


async def test_without_the_session_it_is_a_new_call(admission: Admission) -> None:
    let_in(admission, path_of(admission, continues=True), start_of("MZ1"))
    assert admission.calls == 1


async def test_another_call_s_start_changes_nothing(admission: Admission) -> None:
    let_in(admission, path_of(admission), start_of("MZ1"))._lost(1000, "")
    let_in(admission, path_of(admission, continues=True), start_of("MZ2", "CA2"))
    (active,) = admission.active
    assert active.call_id == "CA1"


async def test_word_of_the_end_of_the_former_stream_ends_nothing(admission: Admission) -> None:
    let_in(admission, path_of(admission), start_of("MZ1"))._lost(1000, "")
    path = path_of(admission, continues=True)
    admission.stream_ended("twilio", "CA1", "MZ1")
    let_in(admission, path, start_of("MZ2"))
    admission.stream_ended("twilio", "CA1", "MZ1")
    assert admission.calls == 1
    admission.stream_ended("twilio", "CA1", "MZ2")
    assert admission.calls == 0


async def test_what_a_webhook_may_ask_of_a_session(admission: Admission) -> None:
    active = admission.active
    assert active.with_call("twilio", "CA1") is None
    active.tell("twilio", "CA1", PersonLeft("CA2"))
    active.close_stream("twilio", "CA1", "joined")
    let_in(admission, path_of(admission), start_of("MZ1"))
    found = active.with_call("twilio", "CA1")
    assert found is not None
    assert active.with_call("telnyx", "CA1") is None
    active.tell("twilio", "CA1", PersonLeft("CA2"))
    assert admission.calls == 1, "an event that nobody waits for has no effect"
    assert not admission.puts_through


def test_a_handle_names_its_process() -> None:
    assert owner_in(new_handle("0a1b2c3d")) == "0a1b2c3d"
    assert new_handle("0a1b2c3d") != new_handle("0a1b2c3d")


@pytest.mark.parametrize("word", ["", "sales", "0a1b2c3d", "0a1b2c3d-", "0a1b2c3d-x" + "0" * 31])
def test_another_word_names_none(word: str) -> None:
    assert owner_in(word) == ""
