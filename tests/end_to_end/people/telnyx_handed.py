"""What became of a handover under Call Control, read from the logs, the journal and the recordings of the call.

Times are ms on the clock of the carrier's log, which is also where the recordings of all parties begin.
"""

import json
import wave
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bridge.config.audio_file import read_wav
from bridge.simulators.carriers.api_log import ApiLog
from bridge.simulators.openai.voice import spoken
from bridge.simulators.phone.likeness import find_sound
from bridge.simulators.phone.people_call import PartyReport, PeopleReport
from telecodecs.format import L16_8K, Samples

CALLER, ANN, BOB = "+15550199", "+15550111", "+15550112"

GREETING = "good day"
ASKS = "billing please"
PARTING = "one moment i put you through to billing"
AGAIN = "sorry nobody is there what else"
BACK = "can i do anything more for you"
BRIEFING = "a caller waits about invoice number six"
GONE = "they hung up goodbye"
ON_HOLD = "is anybody out there"
QUESTION, ANSWER = "my invoice is wrong", "we will send a new one"
YES, NO = "yes give them to me", "no way not now"

LOUD = 64
"""A sample from here on is a sound."""

FOUND, ABSENT = 0.9, 0.5
"""A likeness of this and more: it was heard; less than that: it was not."""


class Session(NamedTuple):
    """One connection of the assistant. Times in ms."""

    opened: float
    closed: float
    items: list[dict[str, Any]]
    """What it was told of the conversation."""
    said: list[str]
    """The transcripts of what it said."""
    heard: Samples
    """At 8000 Hz, from `opened`."""
    instructions: str

    def hears_between(self, from_ms: float, until_ms: float) -> bool:
        """Whether it heard a sound between, on the clock of the carrier's log."""
        begin, end = (max(0, int((at - self.opened) * 8)) for at in (from_ms, until_ms))
        return bool((np.abs(self.heard[begin:end].astype(np.int32)) >= LOUD).any())

    def output(self) -> str:
        """What it was told of the handover."""
        return str(next(item["output"] for item in self.items if "output" in item))


@dataclass(frozen=True)
class Handed:
    """The result of one call."""

    report: PeopleReport
    log: list[dict[str, Any]]
    journal: list[dict[str, Any]]
    """The caller's."""
    sessions: list[Session]
    recording: Samples
    """What the caller said, as the server recorded it, at 8000 Hz."""
    began: float
    """When the carrier's log began, in seconds since 1970."""
    stopped_at: float
    """When the server was told to stop, ms; 0: it was not."""

    def lines(self, kind: str = "", **fields: Any) -> list[dict[str, Any]]:
        """The lines of the carrier's log with these values."""
        wanted = {**({"kind": kind} if kind else {}), **fields}
        return [line for line in self.log if all(line.get(name) == value for name, value in wanted.items())]

    def at(self, kind: str, *, nth: int = 0, **fields: Any) -> float:
        """When that was."""
        found = self.lines(kind, **fields)
        assert len(found) > nth or nth < 0 < len(found), f"never: {kind} {fields}"
        return float(found[nth]["at_ms"])

    def requests(self, name: str) -> list[dict[str, Any]]:
        return self.lines("request", name=name)

    def webhooks(self, event_type: str, person: str = "") -> list[dict[str, Any]]:
        """The webhooks of this kind about the leg of this person, or of the caller."""
        number = {"ann": ANN, "bob": BOB}.get(person)
        found = [line for line in self.lines("webhook") if line["name"] == event_type]
        return [
            line
            for line in found
            if (line["fields"].get("to") == number if number else line["fields"].get("to") not in (ANN, BOB))
        ]

    def party(self, name: str) -> PartyReport:
        return next(one for one in self.report.parties if one.name == name)

    def likeness(self, name: str, words: str) -> float:
        return find_sound(self.party(name).heard, spoken(words, self.party(name).rate_hz)).likeness

    def heard_at(self, name: str, words: str, after_ms: float = 0) -> float:
        """When this party began to hear these words, which it heard to their end."""
        one = self.party(name)
        begin = int(after_ms * one.rate_hz / 1000)
        found = find_sound(one.heard[begin:], spoken(words, one.rate_hz))
        assert found.likeness >= 0.95, f"{name} heard {words!r} with a likeness of {found.likeness:.2f}"
        return (begin + found.at) * 1000 / one.rate_hz

    def joined_at(self, name: str = "ann") -> float:
        """When the caller and this person began to hear each other."""
        heard = [line for line in self.lines("hears", party="caller") if name in line["whom"]]
        assert heard, f"the caller never heard {name}"
        return float(heard[0]["at_ms"])

    def wrote(self, what: str) -> list[dict[str, Any]]:
        return [line for line in self.journal if line["what"] == what]

    def at_journal(self, what: str) -> float:
        """When the journal has this; both clocks are compared by the time of day."""
        (line,) = self.wrote(what)
        started = datetime.fromisoformat(self.account["started"]).timestamp()
        return float((started + line["at"] - self.began) * 1000)

    @cached_property
    def account(self) -> dict[str, Any]:
        """The journal's last line."""
        (ended,) = self.wrote("Ended")
        return ended

    @property
    def left_behind(self) -> list[dict[str, Any]]:
        return self.lines("party", event="left behind")

    @property
    def outcomes(self) -> list[str]:
        return [one["outcome"] for one in self.account["handovers"]]

    def silences(self, name: str, from_ms: float, until_ms: float) -> float:
        """The longest stretch without sound that this party heard between, in ms."""
        one = self.party(name)
        per_ms = one.rate_hz // 1000
        heard = np.abs(one.heard[int(from_ms) * per_ms : int(until_ms) * per_ms].astype(np.int32))
        (sounds,) = np.nonzero(heard >= LOUD)
        edges = np.concatenate([[0], sounds, [len(heard)]])
        return float(np.max(np.diff(edges))) / per_ms


def callers_journal(folder: Path) -> list[dict[str, Any]]:
    journals = [
        [json.loads(line) for line in file.read_text().splitlines()]
        for file in folder.glob("*.jsonl")
        if file.name != "openai.jsonl"
    ]
    return next(lines for lines in journals if not any(line["what"] == "ReportBriefing" for line in lines))


def read_recording(folder: Path) -> Samples:
    (path,) = (path for path in folder.glob("*.wav") if path.name != "hold.wav")
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return samples[:: file.getnchannels()]


def read_sessions(folder: Path, log: ApiLog) -> list[Session]:
    lines = [json.loads(line) for line in (folder / "openai.jsonl").read_text().splitlines()]
    zero = lines[0]["clock_ms"] - log.started * 1000

    def session(number: int) -> Session:
        mine = [line for line in lines if line.get("session") == number]
        opened = next(line for line in mine if line.get("event") == "opened")
        closed = next(line for line in mine if line.get("event") == "closed")
        sent = [line["event"] for line in mine if line["kind"] == "client"]
        got = [line["event"] for line in mine if line["kind"] == "server"]
        updates = [one["session"] for one in sent if one.get("type") == "session.update"]
        path = closed.get("heard")
        heard = np.frombuffer(read_wav(Path(path), L16_8K), np.int16) if path else np.zeros(0, np.int16)
        return Session(
            zero + opened["at_ms"],
            zero + closed["at_ms"],
            [one["item"] for one in sent if one.get("type") == "conversation.item.create"],
            [one["transcript"] for one in got if one.get("type") == "response.output_audio_transcript.done"],
            heard,
            next((one["instructions"] for one in updates if "instructions" in one), ""),
        )

    opened = [line["session"] for line in lines if line.get("event") == "opened"]
    return [session(number) for number in opened]
