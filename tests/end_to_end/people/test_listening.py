"""An assistant that listens while the caller talks with a person, at each carrier: what it hears, and who hears it.

All calls are carried before the first test looks at one. Times are ms from the begin of the call.
"""

from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge.config.audio_file import write_wav
from bridge.shell.server import Server
from bridge.simulators.carriers.api_log import ApiLog
from bridge.simulators.carriers.contract import CallOptions
from bridge.simulators.carriers.telnyx.people_call import place_people_call as place_at_telnyx
from bridge.simulators.carriers.telnyx.webhooks import Signer
from bridge.simulators.carriers.twilio.people_call import place_people_call as place_at_twilio
from bridge.simulators.carriers.twilio.server import ACCOUNT_SID, AUTH_TOKEN
from bridge.simulators.openai.script import OpenAIScript
from bridge.simulators.openai.server import SimulatedOpenAI
from bridge.simulators.openai.session_log import SessionLog
from bridge.simulators.openai.voice import spoken
from bridge.simulators.phone.likeness import find_sound
from bridge.simulators.phone.people import People
from bridge.simulators.phone.people_call import PeopleCall, PeopleReport
from bridge.simulators.phone.plan import CallPlan
from telecodecs.format import L16_8K
from tests.end_to_end.people.line import (
    ANN,
    GREETING,
    HOLD,
    HOLD_FILE,
    LAST_WORDS,
    TRANSFER,
    Carrier,
    settings,
)
from tests.end_to_end.people.side_by_side import Line, one_of, side_by_side
from tests.end_to_end.people.telnyx_handed import Session, read_sessions
from tests.processes import free_port

RATE_HZ = 8_000
WHOLE, OTHERS = 0.95, 0.7
BACK_MS = 1_500
LOAD_MS = 500
"""Head-room for the machine that runs the tests, from the end of the person's leg to the first word."""
SLICE = 960
"""Samples: two letters of the made-up voice."""
MARGIN = 3_200
"""Samples around the words: other words have some of the same slices."""
MOST_PAUSES = 0.3
"""The share of the slices in which the recording may have a pause that the machine made."""
FIRST_LETTERS = 12
"""Of words that are stopped; so many are told from all others."""

ASKS, QUESTION, ANSWER = "ann please", "is my parcel on its way", "yes it left us on monday"
MEANWHILE, BACK, BRIEFING = "i have written that down", "what else may i do for you", "a caller"
SEED = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
API_KEY = "KEY_of_a_test"


def telnyx_keys(port: int) -> dict[str, Any]:
    keys = {
        "public_key": Signer(SEED).public_key,
        "api_key": API_KEY,
        "api_url": f"http://127.0.0.1:{port}/v2",
        "connection_id": "7267",
        "detect_machines_of_people": False,
    }
    return {"telnyx": keys}


def twilio_keys(port: int) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}"
    return {"twilio": {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN, "api_url": url}}


OPTIONS = {"options": CallOptions(private_key=SEED, api_key=API_KEY)}
CARRIERS = {
    "twilio": Carrier("/twilio/voice", twilio_keys, place_at_twilio, {}),
    "telnyx": Carrier("/telnyx/webhook", telnyx_keys, place_at_telnyx, OPTIONS),
    "texml": Carrier("/telnyx/texml", telnyx_keys, place_at_telnyx, OPTIONS | {"texml": True}),
}
CALLER = {
    "says": [
        {"at_s": 2.0, "words": ASKS},
        {"at_s": 1.4, "since": "joined", "words": QUESTION},
    ],
    "hangs_up_after_s": 3.4,
    "hangs_up_since": "left",
}
PERSON = {
    "to": ANN,
    "answers_after_s": 0.5,
    "verdict_after_s": 0.2,
    "says": [{"at_s": 3.2, "since": "joined", "words": ANSWER}],
    "hangs_up_after_s": 5.8,
    "hangs_up_since": "joined",
}
SCRIPT = {
    "first_audio_s": 0.1,
    "greeting": GREETING,
    "replies": [
        {"on_output": "transfer", "say": BACK},
        {"with_tool": "accept", "on_instructions": "", "say": BRIEFING},
        {"with_tool": "transfer", **TRANSFER},
        *[{"with_tool": "transfer", "say": MEANWHILE}] * 5,
    ],
}
WARM = {"how": "warm", "accept": "key"}
CASES = {
    "twilio": ("twilio", {}, {}),
    "twilio, warm": ("twilio", WARM, {"presses": "1@3s"}),
    "telnyx": ("telnyx", {}, {}),
    "telnyx, warm": ("telnyx", WARM, {"presses": "1@3s"}),
    "texml": ("texml", {}, {}),
}


@dataclass(frozen=True)
class Listened:
    """One call."""

    report: PeopleReport
    log: list[dict[str, Any]]
    sessions: list[Session]
    left: int
    """The sessions that the server still had when all was over."""

    def at(self, **fields: Any) -> float:
        found = [one for one in self.log if fields.items() <= one.items()]
        assert found, f"never: {fields}"
        return float(found[0]["at_ms"])

    def heard_at(self, name: str, words: str) -> tuple[float, float]:
        """How like these words the best place is that this party heard, and when it begins."""
        party = next(one for one in self.report.parties if one.name == name)
        found = find_sound(party.heard, spoken(words, party.rate_hz))
        return found.likeness, found.at * 1000 / party.rate_hz


async def carry(name: str, folder: Path, line: Line) -> Listened:
    """From the webhook to the end of everything."""
    which, person, acts = CASES[name]
    return await carry_stays(
        "listens", CARRIERS[which], person, {"caller": CALLER, "people": {"ann": PERSON | acts}}, folder, line
    )


async def carry_stays(
    stays: str,
    carrier: Carrier,
    person: dict[str, str],
    people: dict[str, Any],
    folder: Path,
    line: Line,
) -> Listened:
    """One call whose assistant stays with it so. `person`: settings of Ann; `people`: what everybody does."""
    write_wav(folder / HOLD_FILE, spoken(HOLD, RATE_HZ).tobytes(), L16_8K)
    port, log = free_port(), SessionLog(folder / "openai.jsonl")
    openai = SimulatedOpenAI(OpenAIScript.model_validate(SCRIPT), log=log)
    async with openai.running():
        given = settings({"ann": {"stays": stays, **person}}, carrier.keys(port), openai.url, folder)
        async with Server(given).running() as server, line.taken():
            api = ApiLog()
            url = f"{server.admission.public_url}{carrier.path}"
            acts = People.model_validate(people)
            report = await carrier.place(
                PeopleCall(url, lambda _: CallPlan(), acts, log=api, port=port, **carrier.asks)
            )
            await server.admission.idle()
            await server.files.written()
            left = server.admission.calls
    log.close()
    return Listened(report, api.lines, read_sessions(folder, api), left)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Listened | BaseException]:
    return side_by_side(carry, CASES, tmp_path_factory.mktemp("calls"))


@pytest.fixture(params=CASES)
def call(request: pytest.FixtureRequest, calls: dict[str, Listened | BaseException]) -> Listened:
    """One call. Whatever happens in it, nobody is left on the line."""
    became = one_of(calls, request.param)
    assert not [one for one in became.log if one.get("event") == "left behind"]
    assert became.left == 0
    return became


def test_the_two_hear_each_other_and_nothing_of_the_assistant(call: Listened) -> None:
    assert call.heard_at("caller", LAST_WORDS)[0] >= WHOLE
    assert call.heard_at("caller", ANSWER)[0] >= WHOLE
    assert call.heard_at("ann", QUESTION)[0] >= WHOLE
    said = [words for words in call.sessions[0].said if words and MEANWHILE.startswith(words)]
    assert said, "it answers what it hears of them"
    assert MEANWHILE not in said, "and is stopped at once"
    for name in ("caller", "ann"):
        assert call.heard_at(name, MEANWHILE[:FIRST_LETTERS])[0] < OTHERS


@pytest.mark.parametrize("words", [QUESTION, ANSWER])
def test_the_assistant_hears_both(call: Listened, words: str) -> None:
    """All of these words, in order, but for slices with a pause."""
    said, heard = spoken(words, RATE_HZ), call.sessions[0].heard
    begin = max(0, find_sound(heard, said).at - MARGIN)
    near = heard[begin : begin + len(said) + 2 * MARGIN]
    begins = range(0, len(said) - SLICE, SLICE)
    found = [
        (
            at,
            find_sound(near[at : at + SLICE + 2 * MARGIN], said[at : at + SLICE]),
        )  # the same letters come again
        for at in begins
    ]
    whole = [at + one.at for at, one in found if one.likeness >= WHOLE]
    assert most_in_order(whole) >= (1 - MOST_PAUSES) * len(begins)


def most_in_order(positions: list[int]) -> int:
    """The most of these that come in order; a slice with a pause may look like the same letters elsewhere."""
    ends: list[int] = []  # the least position at which so many can end
    for position in positions:
        nth = bisect_right(ends, position)
        ends[nth : nth + 1] = [position]
    return len(ends)


def test_the_person_leaves_and_the_same_assistant_is_back(call: Listened) -> None:
    likeness, begins = call.heard_at("caller", BACK)
    assert likeness >= WHOLE
    left = call.at(kind="party", party="ann", event="left")
    assert 0 <= begins - left <= BACK_MS + LOAD_MS
    (session, *briefings) = call.sessions
    assert session.output().startswith("ann talked with the caller for ")
    assert session.opened < call.at(kind="party", party="ann", event="answered")
    assert session.closed > begins
    assert all(one.closed < left for one in briefings), "no other assistant is opened"
    assert session.said.count(GREETING) <= 1
