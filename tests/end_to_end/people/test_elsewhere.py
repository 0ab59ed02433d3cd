"""Calls that the carrier takes into its queue, or refers; and supervisors on the carrier's side: judged by what is heard.

All calls are carried before the first test looks at one. Times are ms from the begin of the call.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bridge.config.audio_file import write_wav
from bridge.core.supervision import Supervisor
from bridge.observers.call_history import JournalEntry, read_journal
from bridge.shell.server import Server
from bridge.simulators.carriers.api_log import ApiLog
from bridge.simulators.openai.script import OpenAIScript
from bridge.simulators.openai.server import SimulatedOpenAI
from bridge.simulators.openai.voice import spoken
from bridge.simulators.phone.likeness import find_sound
from bridge.simulators.phone.people import People
from bridge.simulators.phone.people_call import PeopleCall, PeopleReport
from bridge.simulators.phone.plan import CallPlan
from bridge.vocabulary.supervision import SuperviseRequested, SupervisorRole
from telecodecs.format import L16_8K
from tests.end_to_end.people.line import GREETING, HOLD, HOLD_FILE, TRANSFER, settings
from tests.end_to_end.people.side_by_side import Line, one_of, side_by_side
from tests.end_to_end.people.test_listening import BACK, BRIEFING, CARRIERS
from tests.processes import free_port

RATE_HZ = 8_000
WHOLE, OTHERS = 0.9, 0.7
ROLE_MS = 60.0 + 190.0
"""For a role to take effect: what is promised, and head-room for the machine that runs the tests."""

ASKS, QUESTION, ANSWER = "ann please", "is my parcel on its way", "yes it left us on monday"
LISTENED, WHISPERED, BARGED = (
    "i only hear what you two say",
    "offer her a voucher now",
    "hello this is the desk",
)
QUEUE, SIP, DESK, ANN = "queue:support", "sip:ann@pbx.example.com", "+15550121", "+15550111"
LISTEN, WHISPER, BARGE, LEAVE = SupervisorRole

SCRIPT = {
    "first_audio_s": 0.1,
    "greeting": GREETING,
    "replies": [
        {"on_output": "transfer", "say": BACK},
        {"with_tool": "accept", "on_instructions": "", "say": BRIEFING},
        {"with_tool": "transfer", **TRANSFER},
    ],
}
CALLER = {
    "says": [{"at_s": 2.0, "words": ASKS}, {"at_s": 1.2, "since": "joined", "words": QUESTION}],
    "hangs_up_after_s": 2.5,
    "hangs_up_since": "left",
}
SERVES = {
    "to": QUEUE,
    "answers_after_s": 1.0,
    "says": [{"at_s": 2.9, "since": "joined", "words": ANSWER}],
    "hangs_up_after_s": 4.6,
    "hangs_up_since": "joined",
}
QUIET = {"says": [{"at_s": 2.0, "words": ASKS}], "quiet_s": 3.0}


@dataclass(frozen=True)
class Case:
    """One call. `person`: the settings of the person; `people`: the simulated ones; `caller`: what the caller does."""

    carrier: str
    person: dict[str, Any]
    people: dict[str, dict[str, Any]]
    caller: dict[str, Any]
    is_supervised: bool = False


def queue(carrier: str, key: str, **served: Any) -> Case:
    return Case(carrier, {"to": {key: "support"}}, {"ann": SERVES | served}, CALLER if not served else QUIET)


def refer(carrier: str, **callee: Any) -> Case:
    ann = {"to": SIP, "answers_after_s": 0.5} | callee
    return Case(carrier, {"to": {"sip_refer": SIP}}, {"ann": ann}, QUIET)


def supervised(carrier: str, **person: Any) -> Case:
    ann = {
        "to": ANN,
        "answers_after_s": 0.5,
        "verdict_after_s": 0.2,
        "says": [{"at_s": 2.9, "since": "joined", "words": ANSWER}],
        "hangs_up_after_s": 12.4,
        "hangs_up_since": "joined",
    }
    if person:
        ann["presses"] = "1@2s"
    said = [(4.0, LISTENED), (6.4, WHISPERED), (8.8, BARGED)]
    desk = {
        "to": DESK,
        "answers_after_s": 0.3,
        "says": [{"at_s": at_s, "since": "joined", "words": words} for at_s, words in said],
    }
    return Case(carrier, {"to": ANN, **person}, {"ann": ann, "desk": desk}, CALLER, is_supervised=True)


WARM = {"how": "warm", "accept": "key"}
SERVED = {
    "twilio, queue": queue("twilio", "twilio_queue"),
    "telnyx, queue": queue("telnyx", "telnyx_queue"),
}
REFUSED = {
    "twilio, full queue": (queue("twilio", "twilio_queue", busy=True, answers_after_s=0.3), "busy"),
    "twilio, refer, busy": (refer("twilio", busy=True), "busy"),
    "telnyx, refer, busy": (refer("telnyx", busy=True), "busy"),
    "texml, refer, failed": (refer("texml", failed=True), "failed"),
}
REFERRED = {
    "twilio, refer": refer("twilio"),
    "telnyx, refer": refer("telnyx"),
}
SUPERVISED = {
    "twilio, supervised": supervised("twilio", **WARM),
    "telnyx, supervised": supervised("telnyx"),
    "texml, supervised": supervised("texml", **WARM),
}
CASES: dict[str, Case] = {
    **SERVED,
    **{name: case for name, (case, _) in REFUSED.items()},
    **REFERRED,
    **SUPERVISED,
}


@dataclass(frozen=True)
class Carried:
    """One call. `asked_ms`: when each role was asked for."""

    report: PeopleReport
    log: list[dict[str, Any]]
    journal: list[JournalEntry]
    left: int
    asked_ms: dict[SupervisorRole, float]

    def likeness(self, name: str, words: str) -> float:
        """How like these words the best place is that this party heard."""
        party = next(one for one in self.report.parties if one.name == name)
        return find_sound(party.heard, spoken(words, party.rate_hz)).likeness

    def hears_at(self, party: str, whom: list[str], after_ms: float = 0.0) -> float:
        """When this party heard these and no others, at this time or later."""
        found = [
            float(line["at_ms"])
            for line in self.log
            if line["kind"] == "hears"
            and (line["party"], line["whom"]) == (party, whom)
            and line["at_ms"] >= after_ms
        ]
        assert found, f"never: {party} hears {whom}"
        return found[0]

    def wrote(self, what: str) -> list[dict[str, Any]]:
        return [one.fields for one in self.journal if one.what == what]


def _lines(log: ApiLog, kind: str, **fields: Any) -> list[dict[str, Any]]:
    return [line for line in log.lines if line["kind"] == kind and fields.items() <= line.items()]


async def _when(found: Callable[[], bool]) -> None:
    while not found():  # noqa: ASYNC110 - the log tells nobody
        await asyncio.sleep(0.01)


async def supervise(server: Server, carrier: str, log: ApiLog) -> dict[SupervisorRole, float]:
    """The desk listens, whispers, barges in and leaves, a step each 2.4 s from when it is in the talk."""
    name = "twilio" if carrier == "twilio" else "telnyx"
    asked_ms: dict[SupervisorRole, float] = {}

    def ask(role: SupervisorRole) -> None:
        asked_ms[role] = (time.monotonic() - log.started) * 1000
        (answered,) = _lines(log, "party", party="caller", event="answered")
        server.admission.active.tell(name, answered["call"], SuperviseRequested("desk", role))

    await _when(lambda: bool(_lines(log, "hears", party="caller", whom=["ann"])))
    await asyncio.sleep(0.1)
    ask(LISTEN)
    await _when(lambda: bool(_lines(log, "hears", party="desk")))
    await asyncio.sleep(6.0)
    ask(WHISPER)
    await asyncio.sleep(2.4)
    ask(BARGE)
    await asyncio.sleep(2.4)
    ask(LEAVE)
    return asked_ms


async def carry(name: str, folder: Path, line: Line) -> Carried:
    """From the webhook to the end of everything."""
    case = CASES[name]
    write_wav(folder / HOLD_FILE, spoken(HOLD, RATE_HZ).tobytes(), L16_8K)
    carrier, port = CARRIERS[case.carrier], free_port()
    people = People.model_validate({"caller": case.caller, "people": case.people})
    async with SimulatedOpenAI(OpenAIScript.model_validate(SCRIPT)).running() as openai:
        given = settings({"ann": case.person}, carrier.keys(port), openai.url, folder)
        async with Server(given).running() as server, line.taken():
            board = server.admission.setups.current.switchboard
            board.people = replace(board.people, supervisors={"desk": Supervisor(((DESK,),))})
            api = ApiLog()
            url = f"{server.admission.public_url}{carrier.path}"
            asked = PeopleCall(url, lambda _: CallPlan(), people, log=api, port=port, **carrier.asks)
            supervising = (
                asyncio.create_task(supervise(server, case.carrier, api)) if case.is_supervised else None
            )
            report = await carrier.place(asked)
            asked_ms = {} if supervising is None else await supervising
            await server.admission.idle()
            await server.files.written()
            left = server.admission.calls
    journals = [read_journal(path) for path in folder.glob("*.jsonl")]
    is_callers = [
        any(one.fields.get("call_id") == report.caller.call_sid for one in each) for each in journals
    ]
    return Carried(report, api.lines, journals[is_callers.index(True)], left, asked_ms)


Calls = dict[str, Carried | BaseException]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Calls:
    return side_by_side(carry, CASES, tmp_path_factory.mktemp("calls"))


@pytest.mark.parametrize("name", CASES)
def test_nobody_is_left_behind(calls: Calls, name: str) -> None:
    call = one_of(calls, name)
    assert call.left == 0
    assert not [line for line in call.log if line.get("event") == "left behind"]


@pytest.mark.parametrize("name", SERVED)
def test_the_caller_and_whoever_serves_the_queue_hear_each_other(calls: Calls, name: str) -> None:
    call = one_of(calls, name)
    assert call.likeness("ann", QUESTION) >= WHOLE
    assert call.likeness("caller", ANSWER) >= WHOLE
    assert call.likeness("ann", GREETING) < OTHERS


def test_after_the_queue_the_assistant_has_the_caller_again(calls: Calls) -> None:
    """At Twilio; at Telnyx whoever took the caller out of the queue decides that, and here the caller is hung up on."""
    call = one_of(calls, "twilio, queue")
    assert call.likeness("caller", BACK) >= WHOLE
    (handover,) = call.wrote("EndHandover")
    assert handover["outcome"] == "talked"
    assert 3.5 <= handover["talked_s"] <= 6.5
    assert one_of(calls, "telnyx, queue").wrote("EndHandover")[0]["outcome"] == "talked"


@pytest.mark.parametrize("name", REFUSED)
def test_nobody_takes_the_caller_and_the_assistant_goes_on_with_the_reason(calls: Calls, name: str) -> None:
    call = one_of(calls, name)
    (handover,) = call.wrote("EndHandover")
    assert handover["outcome"] == REFUSED[name][1]
    assert call.likeness("caller", BACK) >= WHOLE


@pytest.mark.parametrize("name", REFERRED)
def test_a_referral_that_is_done_ends_the_call(calls: Calls, name: str) -> None:
    call = one_of(calls, name)
    (handover,) = call.wrote("EndHandover")
    assert handover["outcome"] == "sent_on"
    assert call.likeness("caller", BACK) < OTHERS


HEARD = [
    ("desk", QUESTION, True),
    ("desk", ANSWER, True),
    ("caller", LISTENED, False),
    ("ann", LISTENED, False),
    ("caller", WHISPERED, False),
    ("ann", WHISPERED, True),
    ("caller", BARGED, True),
    ("ann", BARGED, True),
]


@pytest.mark.parametrize(("who", "words", "is_heard"), HEARD)
@pytest.mark.parametrize("name", SUPERVISED)
def test_who_hears_whom_in_each_role(calls: Calls, name: str, who: str, words: str, is_heard: bool) -> None:
    likeness = one_of(calls, name).likeness(who, words)
    assert likeness >= WHOLE if is_heard else likeness < OTHERS


@pytest.mark.parametrize("name", SUPERVISED)
def test_a_role_takes_effect_at_once(calls: Calls, name: str) -> None:
    call = one_of(calls, name)
    whispers, barges = call.asked_ms[WHISPER], call.asked_ms[BARGE]
    assert call.hears_at("ann", ["caller", "desk"], whispers) - whispers <= ROLE_MS
    assert call.hears_at("caller", ["ann", "desk"], barges) - barges <= ROLE_MS


@pytest.mark.parametrize("name", SUPERVISED)
def test_the_two_go_on_when_the_supervisor_has_left(calls: Calls, name: str) -> None:
    call = one_of(calls, name)
    leaves = call.asked_ms[LEAVE]
    assert call.hears_at("caller", ["ann"], leaves) - leaves <= ROLE_MS
    (handover,) = call.wrote("EndHandover")
    assert (handover["outcome"], handover["talked_s"] > 11) == ("talked", True)
    assert call.wrote("SupervisorJoined")[0]["supervisor"] == "desk"
