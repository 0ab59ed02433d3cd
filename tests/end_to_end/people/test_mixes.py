"""A caller and a person whom the bridge mixes, at each carrier: who hears whom, with an assistant that is silent or talks.

All calls are carried before the first test looks at one. Times are ms from the begin of the call.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import uvloop

from bridge.config.audio_file import write_wav
from bridge.shell.server import Server
from bridge.simulators.carriers.api_log import ApiLog
from bridge.simulators.openai.script import OpenAIScript
from bridge.simulators.openai.server import SimulatedOpenAI
from bridge.simulators.openai.session_log import SessionLog
from bridge.simulators.openai.voice import spoken
from bridge.simulators.phone.people import People
from bridge.simulators.phone.people_call import PeopleCall
from bridge.simulators.phone.plan import CallPlan
from telecodecs.format import L16_8K
from tests.end_to_end.people.line import ANN, HOLD, HOLD_FILE, LAST_WORDS, settings
from tests.end_to_end.people.telnyx_handed import read_sessions
from tests.end_to_end.people.test_listening import (
    ANSWER,
    ASKS,
    BACK,
    BACK_MS,
    CARRIERS,
    FIRST_LETTERS,
    LOAD_MS,
    MEANWHILE,
    OTHERS,
    QUESTION,
    RATE_HZ,
    SCRIPT,
    TIMEOUT_S,
    WHOLE,
    Listened,
)
from tests.processes import free_port

CALLER = {
    "says": [{"at_s": 2.0, "words": ASKS}, {"at_s": 12.5, "words": QUESTION}],
    "hangs_up_after_s": 23.0,
}
PERSON = {
    "to": ANN,
    "answers_after_s": 0.5,
    "verdict_after_s": 0.2,
    "says": [{"at_s": 1.5, "words": ANSWER}],
    "hangs_up_after_s": 11.0,
}
WARM = {"how": "warm", "accept": "key"}
BRIEFED = {
    "presses": "1@2s",
    "says": [{"at_s": 2.6, "words": ANSWER}],
}
CASES: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {
    "twilio, silent": ("twilio", {}, {}),
    "twilio, warm, talks": ("twilio", WARM | {"assistant": "talks"}, BRIEFED),
    "telnyx, talks": ("telnyx", {"assistant": "talks"}, {}),
    "texml, silent": ("texml", {}, {}),
}
REQUESTS = ("bridge", "conference", "streaming_stop", "redirect")
"""What nobody asks of a carrier for it."""


async def carry(name: str, folder: Path) -> Listened:
    """From the webhook to the end of everything."""
    which, person, acts = CASES[name]
    carrier = CARRIERS[which]
    folder.mkdir()
    write_wav(folder / HOLD_FILE, spoken(HOLD, RATE_HZ).tobytes(), L16_8K)
    port, log = free_port(), SessionLog(folder / "openai.jsonl")
    people = People.model_validate({"caller": CALLER, "people": {"ann": PERSON | acts}})
    openai = SimulatedOpenAI(OpenAIScript.model_validate(SCRIPT), log=log)
    async with asyncio.timeout(TIMEOUT_S), openai.running():
        given = settings({"ann": {"stays": "mixes", **person}}, carrier.keys(port), openai.url, folder)
        async with Server(given).running() as server:
            api = ApiLog()
            url = f"{server.admission.public_url}{carrier.path}"
            report = await carrier.place(
                PeopleCall(url, lambda _: CallPlan(), people, log=api, port=port, **carrier.asks)
            )
            await server.admission.idle()
            await server.files.written()
            left = server.admission.calls
    log.close()
    return Listened(report, api.lines, read_sessions(folder, api), left)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Listened | BaseException]:
    """All calls, side by side."""
    folder = tmp_path_factory.mktemp("calls")

    async def all_of_them() -> list[Listened | BaseException]:
        carried = (carry(name, folder / str(number)) for number, name in enumerate(CASES))
        return await asyncio.gather(*carried, return_exceptions=True)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return dict(zip(CASES, runner.run(all_of_them()), strict=True))


@pytest.fixture(params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    """The name of one call."""
    return str(request.param)


@pytest.fixture
def call(name: str, calls: dict[str, Listened | BaseException]) -> Listened:
    """One call. Whatever happens in it, nobody is left on the line."""
    became = calls[name]
    if isinstance(became, BaseException):
        raise became
    assert not [one for one in became.log if one.get("event") == "left behind"]
    assert became.left == 0
    return became


def test_the_two_hear_each_other(call: Listened) -> None:
    assert call.heard_at("caller", LAST_WORDS)[0] >= WHOLE
    assert call.heard_at("caller", ANSWER)[0] >= WHOLE
    assert call.heard_at("ann", QUESTION)[0] >= WHOLE


def test_the_assistant_is_heard_by_both_or_by_nobody(call: Listened, name: str) -> None:
    for party in ("caller", "ann"):
        likeness, _ = call.heard_at(party, MEANWHILE[:FIRST_LETTERS])
        assert likeness >= WHOLE if "talks" in name else likeness < OTHERS, party


def test_the_carrier_joins_nobody(call: Listened) -> None:
    asked = [str(one.get("name")) for one in call.log if one.get("kind") == "request"]
    assert not [one for one in asked if one.startswith(REQUESTS)]


def test_the_person_leaves_and_the_same_assistant_has_the_caller(call: Listened) -> None:
    likeness, begins = call.heard_at("caller", BACK)
    assert likeness >= WHOLE
    left = call.at(kind="party", party="ann", event="left")
    assert 0 <= begins - left <= BACK_MS + LOAD_MS
    session, *briefings = call.sessions
    assert session.output().startswith("ann talked with the caller for ")
    assert session.closed > begins
    assert all(one.closed < left for one in briefings), "no other assistant is opened"
