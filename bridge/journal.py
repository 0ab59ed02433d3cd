"""What happened in a call, one line each: every event and every command, with its time, as JSON.

    {"at":1.204,"way":"<","what":"MarkReached","name":"0.6"}

"at" counts seconds from the first line; "<" came in, ">" went out. Audio is not written; its frames, fifty a second
and kind, are told as runs of at most a second: {"at":…,"until":…,"what":"CallerAudio","frames":50,"bytes":8000}.
Telephone numbers are masked. What is written reaches the file within a second.
"""

import re
from datetime import datetime
from pathlib import Path
from typing import get_args

from msgspec import json

from bridge.call_file import CallFile
from bridge.events import (
    AppendAudio,
    CallerAudio,
    CallStarted,
    Command,
    OtherPartyAudio,
    PlayAudio,
    ReplyAudio,
    Word,
)

FLUSH_S = 1.0

MOST_LINES = 2_000
"""Between two flushes: a minute of reply and its marks are 700; a peer that floods us is counted, not written down."""

_Audio = CallerAudio | OtherPartyAudio | ReplyAudio | AppendAudio | PlayAudio
_COMMANDS = frozenset(get_args(Command))
_NUMBER = re.compile(rb'\+\d{5,13}(\d\d)|(?<=")\d{5,13}(\d\d)(?=")')


def mask(line: bytes) -> bytes:
    """Telephone numbers in a line of JSON, all but their last two digits."""
    return _NUMBER.sub(lambda number: b"***" + (number[1] or number[2]), line)


class _Run:
    """Frames of one kind, and of one item where they have one."""

    __slots__ = ("bytes", "first", "frames", "item", "kind", "last")

    def __init__(self, word: _Audio, first: float) -> None:
        self.kind = type(word)
        self.item = word.item if isinstance(word, ReplyAudio) else None
        self.frames = 1
        self.bytes = len(word.audio)
        self.first = self.last = first


class Journal:
    """A witness that writes. The file is made when the call has a name; what came before is kept until then."""

    def __init__(self, directory: Path, started: datetime) -> None:
        self._directory = directory
        self._started = started
        self._file: CallFile | None = None
        self._lines: list[bytes] = []
        self._runs: dict[type[Word], _Run] = {}
        self._begun: float | None = None
        self._flush_at = 0.0
        self._left_out = 0

    def saw(self, word: Word, now: float) -> None:
        """One line, or one more frame of a run."""
        kind = type(word)
        run = self._runs.get(kind)
        if run is not None and (run.item is None or run.item == word.item):  # type: ignore[attr-defined]
            run.frames += 1
            run.bytes += len(word.audio)  # type: ignore[attr-defined]
            run.last = now
        elif isinstance(word, _Audio):
            self._begin(now)
            if run is not None:
                self._tell_run(run)
            self._runs[kind] = _Run(word, now)
        else:
            self._begin(now)
            self._tell(word, kind, now)
        if now >= self._flush_at:
            self._flush(now)

    def _begin(self, now: float) -> None:
        if self._begun is None:
            self._begun, self._flush_at = now, now + FLUSH_S

    def _tell(self, word: Word, kind: type[Word], now: float) -> None:
        if len(self._lines) >= MOST_LINES and kind is not CallStarted:
            self._left_out += 1
            return
        self._write(mask(json.encode(word)), b">" if kind in _COMMANDS else b"<", now)
        if isinstance(word, CallStarted) and self._file is None:
            self._file = CallFile(self._directory, word.call, self._started, ".jsonl")

    def _write(self, told: bytes, way: bytes, at: float, until: float | None = None) -> None:
        """One line: an object of JSON with its times in front."""
        assert self._begun is not None
        times = b'"at":%.3f' % (at - self._begun)
        if until is not None:
            times += b',"until":%.3f' % (until - self._begun)
        self._lines.append(b'{%s,"way":"%s",%s\n' % (times, way, told[1:]))

    def _flush(self, now: float) -> None:
        self._flush_at = now + FLUSH_S
        self._tell_runs(now)
        if self._file is not None:
            self._file.append(b"".join(self._lines))
            self._lines.clear()

    def _tell_runs(self, now: float) -> None:
        for run in self._runs.values():
            self._tell_run(run)
        self._runs.clear()
        if self._left_out:
            self._write(json.encode({"what": "LeftOut", "lines": self._left_out}), b"=", now)
            self._left_out = 0

    def _tell_run(self, run: _Run) -> None:
        told: dict[str, object] = {"what": run.kind.__name__, "frames": run.frames, "bytes": run.bytes}
        if run.item is not None:
            told["item"] = run.item
        self._write(json.encode(told), b">" if run.kind in _COMMANDS else b"<", run.first, run.last)

    def close(self, now: float, counts: dict[str, int]) -> None:
        """The last line: when the call began by the calendar, and what was counted."""
        if self._file is None:
            return
        self._tell_runs(now)
        started = self._started.isoformat(timespec="milliseconds")
        self._write(json.encode({"what": "Ended", "started": started, "counts": counts}), b"=", now)
        self._flush(now)
        self._file.close()
