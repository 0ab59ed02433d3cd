"""Writes the files of a call with several parties, and says who was on the line."""

import re
from collections.abc import Sequence
from pathlib import Path

from bridge.config.audio_file import write_wav
from bridge.simulators.phone.people_call import PartyReport, PeopleReport
from bridge.simulators.phone.summary import keep
from bridge.simulators.phone.trace import write_trace
from telecodecs.format import AudioFormat, Encoding


def keep_people(report: PeopleReport, folder: Path) -> list[Path]:
    """Write the caller's files, and for each other party heard-NAME.wav; returns the files.

    All recordings begin with the call. A party that had a media stream gets its messages in trace-NAME.jsonl.
    """
    files = keep(report.caller, folder)
    for party in report.parties[1:]:
        name = re.sub(r"[^\w+.-]|^\.+", "_", party.name)
        heard = folder / f"heard-{name}.wav"
        write_wav(heard, party.heard.tobytes(), AudioFormat(Encoding.L16, party.rate_hz))
        files.append(heard)
        if party.trace:
            trace = folder / f"trace-{name}.jsonl"
            write_trace(trace, party.trace)
            files.append(trace)
    return files


def party_notes(parties: Sequence[PartyReport]) -> list[str]:
    """A sentence for each party, the caller first."""
    return [_note(party) for party in parties]


def party_facts(parties: Sequence[PartyReport]) -> list[dict[str, object]]:
    """The same for programs."""
    return [
        {
            "name": party.name,
            "number": party.number,
            "answered_ms": party.answered_ms,
            "left_ms": party.left_ms,
            "pressed": party.pressed,
        }
        for party in parties
    ]


def _note(party: PartyReport) -> str:
    left = "stayed to the end" if party.left_ms is None else f"left at {party.left_ms / 1000:.2f} s"
    pressed = f", and pressed {' '.join(party.pressed)}" if party.pressed else ""
    return f"{party.name} ({party.number}) answered at {party.answered_ms / 1000:.2f} s, {left}{pressed}."
