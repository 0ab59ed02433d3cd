"""What happened in a call, one line each: every event and every command, with its time, as JSON.

    {"at":1.204,"way":"<","what":"MarkReached","name":"0.6"}

"at" counts seconds from the first line; "<" came in, ">" went out. Audio is not written; its frames, fifty a second
and kind, are told as runs of at most a second: {"at":…,"until":…,"what":"CallerAudio","frames":50,"bytes":8000}.
Telephone numbers are masked. A line is in the file as soon as it is told; marks, ten a second, and runs wait for the
next word after their second, or for the call's end.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

from msgspec import json, structs

from bridge.call_file import CallFile, accepted
from bridge.events import (
    AppendAudio,
    AssistantReady,
    CallEnded,
    CallerAudio,
    CallStarted,
    ClosingAsked,
    Command,
    HangUp,
    Ignored,
    LegLost,
    MarkReached,
    MessageRefused,
    OpenAssistant,
    OtherPartyAudio,
    PlayAudio,
    ReplyAudio,
    SendMark,
    Word,
)

RUN_S = 1.0

MOST_BYTES = 65_536
"""Of what came in, in a second: a minute's marks, cleared at once, take 20 000; a flood is counted, not written down."""

_Audio = CallerAudio | OtherPartyAudio | ReplyAudio | AppendAudio | PlayAudio
_Frequent = _Audio | SendMark | MarkReached
_COMMANDS = frozenset(get_args(Command))
_NEVER_LEFT_OUT = frozenset(
    {CallStarted, AssistantReady, CallEnded, LegLost, ClosingAsked, CallerAudio, OtherPartyAudio}
)

_NUMBER = re.compile(r"(?:\+|%2[Bb])?\d(?:[\s()./-]{0,3}\d){4,}[\s()./-]{0,3}(\d)[\s()./-]{0,3}(\d)")
_MAY_HOLD_NUMBERS: dict[type[Word], tuple[str, ...]] = {
    CallStarted: ("parameters",),
    OpenAssistant: ("parameters",),
    LegLost: ("reason",),
    MessageRefused: ("why",),
    Ignored: ("kind",),
    HangUp: ("why",),
    ClosingAsked: ("why",),
}


def mask(text: str) -> str:
    """Telephone numbers, however they are written, without all but their last two digits. Seven digits make one."""
    return _NUMBER.sub(r"***\1\2", text)


def _masked(word: Word) -> Word:
    masked: dict[str, object] = {}
    for field in _MAY_HOLD_NUMBERS.get(type(word), ()):
        text = getattr(word, field)
        if isinstance(text, str):
            masked[field] = mask(text)
        else:
            masked[field] = {mask(key): mask(value) for key, value in text.items()}
    return structs.replace(word, **masked) if masked else word


@dataclass(slots=True)
class _Run:
    """Frames of one kind, and of one item where they have one."""

    kind: type[Word]
    item: str | None
    first: float
    last: float
    bytes: int
    frames: int = 1


class Journal:
    """A witness that writes. The file is made when the call is accepted; what came before is kept until then."""

    def __init__(self, directory: Path, started: datetime) -> None:
        self._directory = directory
        self._started = started
        self._call: CallStarted | None = None
        self._file: CallFile | None = None
        self._lines: list[bytes] = []
        self._runs: dict[type[Word], _Run] = {}
        self._begun: float | None = None
        self._flush_at = 0.0
        self._room = MOST_BYTES
        self._left_out = 0

    def saw(self, word: Word, now: float) -> None:
        """One line, or one more frame of a run."""
        run = self._runs.get(type(word))
        sound: Any = word  # if there is a run of its kind
        if run is not None and (run.item is None or run.item == sound.item):
            run.frames += 1
            run.bytes += len(sound.audio)
            run.last = now
        else:
            self._tell(word, run, now)
        if now >= self._flush_at:
            self._flush(now)

    def _tell(self, word: Word, run: _Run | None, now: float) -> None:
        if self._begun is None:
            self._begun, self._flush_at = now, now + RUN_S
        if self._file is None:
            self._await_acceptance(word)
        if not isinstance(word, _Audio):
            self._add(json.encode(_masked(word)), type(word), now)
        else:
            if run is not None:
                self._tell_run(run)
            item = word.item if isinstance(word, ReplyAudio) else None
            self._runs[type(word)] = _Run(type(word), item, now, now, len(word.audio))
        if not isinstance(word, _Frequent):
            self._write()

    def _await_acceptance(self, word: Word) -> None:
        if self._call is not None and accepted(self._call, word):
            self._file = CallFile(self._directory, self._call.call, self._started, ".jsonl")
        elif isinstance(word, CallStarted):
            self._call = word

    def _add(self, told: bytes, kind: type[Word] | None, at: float, until: float | None = None) -> None:
        """One line: an object of JSON with its times in front. `kind`: None for what we say ourselves."""
        assert self._begun is not None
        way = b"=" if kind is None else b">" if kind in _COMMANDS else b"<"
        times = b'"at":%.3f' % (at - self._begun)
        if until is not None:
            times += b',"until":%.3f' % (until - self._begun)
        line = b'{%s,"way":"%s",%s\n' % (times, way, told[1:])
        if way == b"<":
            if len(line) > self._room and kind not in _NEVER_LEFT_OUT:
                self._left_out += 1
                return
            self._room -= len(line)
        self._lines.append(line)

    def _tell_run(self, run: _Run) -> None:
        told: dict[str, object] = {"what": run.kind.__name__, "frames": run.frames, "bytes": run.bytes}
        if run.item is not None:
            told["item"] = run.item
        self._add(json.encode(told), run.kind, run.first, run.last)

    def _flush(self, now: float) -> None:
        self._flush_at = now + RUN_S
        for run in self._runs.values():
            self._tell_run(run)
        self._runs.clear()
        if self._file is None:
            return
        if self._left_out:
            self._add(json.encode({"what": "LeftOut", "lines": self._left_out}), None, now)
        self._left_out, self._room = 0, MOST_BYTES
        self._write()

    def _write(self) -> None:
        if self._file is not None and self._lines:
            self._file.append(b"".join(self._lines))
            self._lines.clear()

    def close(self, now: float, counts: dict[str, int]) -> None:
        """The last line: when the call began by the calendar, and what was counted."""
        if self._file is None:
            return
        self._flush(now)
        started = self._started.isoformat(timespec="milliseconds")
        self._add(json.encode({"what": "Ended", "started": started, "counts": counts}), None, now)
        self._write()
        self._file.close()
