"""Whole calls with people on the line: the simulated Twilio and its parties, our server, the simulated OpenAI server.

A test names its call as a row; the calls of a module are carried side by side, before the first test looks at one. All
times are ms from the begin of the carrier's log, which is where the recordings of all parties begin.
"""

import asyncio
import json
import re
import wave
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import ClientSession

from bridge.config.audio_file import read_wav
from bridge.config.settings import Settings
from bridge.observers.call_history import JournalEntry, read_journal
from bridge.shell.server import Server
from bridge.simulators.carriers.api_log import ApiLog
from bridge.simulators.carriers.twilio.people_call import place_people_call
from bridge.simulators.carriers.twilio.server import ACCOUNT_SID, AUTH_TOKEN
from bridge.simulators.carriers.twilio.voice_webhook import signed_headers
from bridge.simulators.openai.script import OpenAIScript
from bridge.simulators.openai.server import SimulatedOpenAI
from bridge.simulators.openai.session_log import SessionLog
from bridge.simulators.openai.voice import spoken
from bridge.simulators.phone.likeness import find_sound
from bridge.simulators.phone.people import People
from bridge.simulators.phone.people_call import PartyReport, PeopleCall, PeopleReport
from bridge.simulators.phone.plan import CallPlan
from telecodecs.codec import decoder
from telecodecs.format import AudioFormat, Encoding, Samples
from telecodecs.wav import wav_encode
from tests.end_to_end.people.side_by_side import Line, side_by_side
from tests.processes import free_port

RATE_HZ = 8_000
SLICE = 12 * 60 * RATE_HZ // 1000
"""So many samples of the made-up voice are told from all others: twelve letters."""

LAST_WORDS = "One moment, I put you through to billing."
SORRY = "I am sorry, they cannot come to the phone."
AGAIN = "Here I am again, what else is there?"
QUESTION = "my invoice is wrong"
ANSWER = "lovely, let us have a look"
BRIEFED = "A caller has a question about an invoice."
GONE = "Goodbye then."

TRANSFER = {"name": "transfer", "arguments": '{"person": "billing", "why": "a wrong invoice"}'}
BACK = {"on_output": "transfer", "say": SORRY, "connections": [1]}
PUTS_THROUGH = {"on_instructions": "Hello", "say": LAST_WORDS, "calls": [TRANSFER], "connections": [1]}
RETURNS = {"on_output": "transfer", "say": AGAIN}
ANN: dict[str, Any] = {"to": "+15550111", "answers_after_s": 0.5, "verdict_after_s": 0.3}
BOB: dict[str, Any] = {"to": "+15550112", "answers_after_s": 3.0}


@dataclass(frozen=True)
class Row:
    """One call. `billing`: the settings of the person. `people`: the simulated ones. `acts`: what the caller does."""

    billing: dict[str, Any] = field(default_factory=dict)
    people: dict[str, Any] = field(default_factory=lambda: {"ann": ANN})
    acts: dict[str, Any] = field(default_factory=lambda: {"quiet_s": 2.5})
    faults: dict[str, Any] = field(default_factory=dict)
    replies: tuple[dict[str, Any], ...] = ()
    """The assistant's, before those that every call has."""
    twilio: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass
class Call:
    """The result of one call."""

    report: PeopleReport
    api: list[dict[str, Any]]
    """The carrier's log."""
    openai: list[dict[str, Any]]
    """The assistant's log, with the times of the carrier's."""
    journals: dict[str, list[JournalEntry]]
    heard_by_assistant: dict[int, Samples]
    """What each session of the assistant heard, by its number."""
    folder: Path
    left: int
    """The calls that the server still had 2 s after all was over."""
    late: dict[str, int]
    """The status of webhooks that came for the call when it was over."""

    def party(self, name: str) -> PartyReport:
        return next(one for one in self.report.parties if one.name == name)

    @property
    def names(self) -> list[str]:
        return [one.name for one in self.report.parties]

    def likeness(self, listener: str, words: str) -> float:
        """How like these words the best place is that this party heard: 0.95 and more are they, below 0.7 others."""
        return find_sound(self.party(listener).heard, spoken(words, RATE_HZ)).likeness

    def begins_at(self, listener: str, words: str) -> float:
        """When this party heard the first of these words begin."""
        return self._found_at(listener, words, spoken(words, RATE_HZ)[:SLICE])

    def ends_at(self, listener: str, words: str) -> float:
        """When this party had heard the last of these words to its end."""
        return self._found_at(listener, words, spoken(words, RATE_HZ)[-SLICE:]) + SLICE * 1000 / RATE_HZ

    def _found_at(self, listener: str, words: str, sound: Samples) -> float:
        found = find_sound(self.party(listener).heard, sound)
        assert found.likeness >= 0.95, f"{listener} heard {words!r} with a likeness of {found.likeness:.2f}"
        return found.at * 1000 / RATE_HZ

    def lines(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        return [line for line in self.api if line["kind"] == kind and fields.items() <= line.items()]

    def at(self, kind: str, **fields: Any) -> float:
        """When this was noted first."""
        found = self.lines(kind, **fields)
        assert found, f"never: {kind} {fields}"
        return float(found[0]["at_ms"])

    def webhooks(self, path: str, **fields: str) -> list[dict[str, Any]]:
        """The webhooks to a path, with these fields; `asked_ms` is when they were sent."""
        found = [
            line | {"asked_ms": line["at_ms"] - line["took_ms"]}
            for line in self.lines("webhook")
            if f"/twilio/{path}" in line["url"] and fields.items() <= line["fields"].items()
        ]
        return sorted(found, key=lambda line: line["asked_ms"])

    def dials(self) -> list[dict[str, Any]]:
        """The webhooks that were answered with a `<Dial>` of people."""
        return [line for line in self.lines("webhook") if "</Number>" in line["answer"]]

    def called_at(self) -> float:
        """When somebody was called first."""
        asked: list[float] = [
            line["at_ms"] - line.get("took_ms", 0)
            for line in (*self.dials(), *self.lines("request", name="create"))
        ]
        return min(asked)

    def joined_at(self, name: str) -> float:
        """When this person and the caller heard each other."""
        return self.at("hears", party="caller", whom=[name])

    def leg(self, name: str) -> str:
        """The carrier's name for the call of this party."""
        return str(self.lines("party", party=name, event="answered")[0]["call"])

    def sessions(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.openai if line["kind"] == "session" and line["event"] == event]

    def items(self, session: int) -> list[dict[str, Any]]:
        """What the bridge put into a conversation."""
        return [
            line["event"]["item"]
            for line in self.openai
            if line["kind"] == "client"
            and line["session"] == session
            and line["event"]["type"] == "conversation.item.create"
        ]

    def tool_called_at(self, tool: str) -> float:
        """When the assistant called this tool."""
        for line in self.openai:
            event = line.get("event", {})
            is_item = line["kind"] == "server" and event["type"] == "response.output_item.done"
            if is_item and event["item"].get("name") == tool:
                return float(line["at_ms"])
        raise AssertionError(f"{tool} was never called")

    def client_events(self, session: int, kind: str) -> list[dict[str, Any]]:
        return [
            line
            for line in self.openai
            if line["kind"] == "client" and line["session"] == session and line["event"]["type"] == kind
        ]

    def outputs(self, session: int = 1) -> list[str]:
        """The outputs of tools that an assistant was told."""
        return [item["output"] for item in self.items(session) if item["type"] == "function_call_output"]

    @cached_property
    def journal(self) -> list[JournalEntry]:
        (found,) = (one for name, one in self.journals.items() if self.report.caller.call_sid in name)
        return found

    @property
    def sum(self) -> dict[str, Any]:
        """The last line of the caller's journal."""
        assert self.journal[-1].what == "Ended"
        return self.journal[-1].fields

    def sound_of(self, listener: str, from_ms: float, until_ms: float) -> Samples:
        return self.party(listener).heard[int(from_ms * RATE_HZ / 1000) : int(until_ms * RATE_HZ / 1000)]

    def longest_gap_ms(self, listener: str, from_ms: float, until_ms: float) -> float:
        """The longest stretch in which this party heard nothing at all."""
        (loud,) = np.nonzero(np.abs(self.sound_of(listener, from_ms, until_ms).astype(np.int32)) > 8)
        assert len(loud), "nothing at all was heard"
        edges = np.concatenate([[0], loud, [int((until_ms - from_ms) * RATE_HZ / 1000)]])
        return float(np.diff(edges).max()) * 1000 / RATE_HZ


Calls = dict[str, Call | BaseException]


def tone_file(path: Path, hz: int) -> Path:
    """A recording of a second that has no quiet place."""
    at = np.arange(RATE_HZ) / RATE_HZ
    path.write_bytes(wav_encode((np.sin(2 * np.pi * hz * at) * 3000).astype(np.int16), RATE_HZ))
    return path


def settings_of(row: Row, openai_url: str, api_port: int, folder: Path) -> dict[str, Any]:
    hold = tone_file(folder / "hold.wav", 400)
    billing: dict[str, Any] = {"to": "+15550111", "ring_s": 5, "hold": {"play": str(hold)}} | row.billing
    if "play" in billing.get("briefing", {}):
        billing["briefing"] = {"play": str(tone_file(folder / "briefing.wav", 700))}
    return {
        "port": 0,
        "assistant": "receptionist",
        "assistants": {
            "receptionist": {
                "kind": "openai-realtime",
                "base_url": openai_url,
                "api_key": "sk-test",
                "instructions": "You answer the phone.",
                "greeting": "Hello.",
                "turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
                "tools": {"transfer": {"people": ["billing"]}},
            }
        },
        "people": {"billing": billing},
        "journal": {"directory": str(folder)},
        "recording": {"directory": str(folder)},
        "limits": {"max_lag_ms": 0, "silent_s": 30},
        "twilio": {
            "account_sid": ACCOUNT_SID,
            "auth_token": AUTH_TOKEN,
            "api_url": f"http://127.0.0.1:{api_port}",
        }
        | row.twilio,
    } | row.settings


def script_of(row: Row) -> OpenAIScript:
    replies = (*row.replies, PUTS_THROUGH, BACK, RETURNS)
    return OpenAIScript.model_validate({"first_audio_s": 0.1, "speed": 10.0, "replies": replies})


def callers_track(recording: Path) -> Samples:
    """What the caller said, of a recording of both."""
    with wave.open(str(recording)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return samples.reshape(-1, file.getnchannels())[:, 0]


async def carry(row: Row, folder: Path, line: Line) -> Call:
    """One call from the webhook to the end of everything."""
    port = free_port()
    sessions = SessionLog(folder / "openai.jsonl")
    openai = SimulatedOpenAI(script_of(row), log=sessions)
    people = People.model_validate({"people": row.people, "caller": row.acts, "faults": row.faults})
    async with openai.running():
        settings = Settings.model_validate(settings_of(row, openai.url, port, folder))
        async with Server(settings).running() as server, line.taken():
            origin = f"http://127.0.0.1:{server.port}/twilio"
            api = ApiLog()
            asked = PeopleCall(
                f"{origin}/voice",
                lambda _: CallPlan(),
                people,
                log=api,
                port=port,
                status_url=f"{origin}/status",
            )
            report = await place_people_call(asked)
            with suppress(TimeoutError):
                async with asyncio.timeout(2.0):
                    await server.admission.idle()
                    await server.files.written()
            left = server.admission.calls
            late = await ask_late(origin, report.caller.call_sid, api)
    sessions.close()
    return Call(
        report=report,
        api=api.lines,
        openai=_openai_log(folder, api.started),
        journals={path.stem: read_journal(path) for path in folder.glob("*.jsonl") if path.stem != "openai"},
        heard_by_assistant=_heard(folder),
        folder=folder,
        left=left,
        late=late,
    )


async def ask_late(origin: str, call_sid: str, api: ApiLog) -> dict[str, int]:
    """Webhooks of a call that is over: as Twilio sends them late, or somebody who has recorded them."""
    answers = " ".join(line["answer"] for line in api.lines if line["kind"] == "webhook")
    (handle,) = {*re.findall(r"/twilio/next/([\w-]+)<", answers)}
    answered = {}
    async with ClientSession() as http:
        for path in (f"next/{handle}", f"back/{handle}", "voice", "status"):
            url, form = f"{origin}/{path}", {"CallSid": call_sid, "CallStatus": "in-progress"}
            async with http.post(url, data=form, headers=signed_headers(url, form, AUTH_TOKEN)) as answer:
                answered[path.partition("/")[0]] = answer.status
    return answered


def _openai_log(folder: Path, began: float) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "openai.jsonl").read_text().splitlines()]
    ahead = lines[0]["clock_ms"] - began * 1000
    return [line | {"at_ms": line["at_ms"] + ahead} for line in lines]


def _heard(folder: Path) -> dict[int, Samples]:
    heard = {}
    for path in (folder / "openai.jsonl.heard").glob("session-*.wav"):
        line = AudioFormat(Encoding.L16, RATE_HZ)
        heard[int(path.stem.partition("-")[2])] = decoder(line)(read_wav(path, line))
    return heard


def ann(*acts: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Ann, who does all of this."""
    one = dict(ANN)
    for act in acts:
        one |= act
    return {"ann": one | more}


def carry_all(rows: dict[str, Row], folder: Path) -> Calls:
    """The calls side by side; what a call raised is its result."""
    return side_by_side(lambda name, own, line: carry(rows[name], own, line), rows, folder)
