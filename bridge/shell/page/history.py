"""The history of a call as JSON, with the peaks of its recording: what the page draws, as the picture of `timeline` does.

It is made in a thread, one at a time, that leaves the event loop its turns: a journal of ten minutes takes 0.1 s.
"""

import asyncio
from collections.abc import Sequence
from time import sleep
from typing import Any

import msgspec

from bridge.config.settings import Settings
from bridge.observers.call_history import CallHistory, JournalEntry, build_history, read_journal
from bridge.observers.peaks import Peaks, read_peaks
from bridge.shell.page.call_files import CallFiles, find_files
from bridge.vocabulary.errors import ConfigurationError

PAUSE_S = 0.0005

MASKED = "•"


class HistoryView(msgspec.Struct):
    """What is sent. Seconds count from the first frame of audio; the digits that were pressed are masked."""

    call_id: str
    ended_s: float
    is_over: bool
    summary: tuple[str, ...]
    other_party: bool
    has_room: bool
    """Whether the bridge mixed a person or a supervisor with the two."""
    notes: list[tuple[float, str]]
    turns: list[tuple[float, float]]
    said: list[tuple[float, str, bool]]
    """When, the text, and whether it was typed."""
    digits: list[tuple[float, str]]
    waits: list[tuple[float, float, dict[str, int]]]
    tools: list[tuple[str, float, float | None, str]]
    replies: list[tuple[str, float, float, int | None, str]]
    """The item, when it was first heard, and last; how many ms were heard, None for all; its words."""
    marks: list[tuple[float, float | None, bool]]
    """When it was sent, when it came back, and whether the audio before it was heard."""
    cuts: list[tuple[float, float, bool]]
    """When, how many seconds were thrown away unheard, and whether the caller spoke."""
    away: list[tuple[float, float, str]]
    roles: list[tuple[str, str, float, float, str, list[str]]]
    """What the party is, its name, from when until when it had a role, the role, and by whom the party was heard."""
    peaks: Peaks | None
    missing: list[str]
    """What there is none of, and why, in sentences."""


class Histories:
    """The histories of one server's calls."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._one_at_a_time = asyncio.Lock()

    async def files(self, call_id: str) -> CallFiles:
        """The files of this call."""
        return await asyncio.to_thread(find_files, self._settings, call_id)

    async def encoded(
        self, call_id: str, entries: Sequence[JournalEntry] = (), *, is_live: bool
    ) -> bytes | None:
        """The history as JSON; `entries`: what is known of a call without a journal. None: there is nothing of it."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._encode, call_id, entries, is_live)

    def _encode(self, call_id: str, entries: Sequence[JournalEntry], is_live: bool) -> bytes | None:
        files = find_files(self._settings, call_id)
        missing = [f"The {name} is encrypted." for name in files.encrypted]
        if files.journal is not None:
            try:
                entries = read_journal(files.journal, _rest)
            except ConfigurationError:
                missing.append("The journal cannot be read.")
        elif not missing:
            before = ", so what happened before you looked is not shown" if is_live else ""
            missing.append(f"There is no journal of this call{before}: see [journal] in the settings.")
        peaks = None
        if files.recording is not None:
            try:
                peaks = read_peaks(files.recording, _rest)
            except ConfigurationError:
                missing.append("The recording cannot be read.")
        elif "recording" not in files.encrypted:
            missing.append("There is no recording of this call: see [recording] in the settings.")
        if files == CallFiles() and not is_live:
            return None
        return msgspec.json.encode(
            history_view(call_id, build_history(entries), peaks, missing, is_over=not is_live)
        )


def history_view(
    call_id: str, history: CallHistory, peaks: Peaks | None, missing: list[str], *, is_over: bool
) -> HistoryView:
    """What is sent of a history."""
    told: dict[str, Any] = history._asdict() | {
        "call_id": call_id,
        "digits": [(at_s, MASKED) for at_s, _ in history.digits],
        "said": [(at_s, MASKED * len(text) if typed else text, typed) for at_s, text, typed in history.said],
    }
    return HistoryView(summary=history.sentences(), peaks=peaks, missing=missing, is_over=is_over, **told)


def _rest() -> None:
    sleep(PAUSE_S)
