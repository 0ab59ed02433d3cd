"""The journal of a call: a line of JSON for every command and for every event but `TimePassed`.

    {"at":1.204,"way":"<","what":"MarkReached","name":"0.6"}

"at" counts seconds from the first line; "<" is an event, ">" a command, "=" a line of the journal's own. Audio is not
written; its frames are written as runs of at most a second: {"at":…,"until":…,"what":"CallerAudio","frames":50,
"bytes":8000}. The words of an assistant come piece by piece; they are one line for each item, written when the item
ends. The arguments and the output of a tool are in the events; the commands beside them are abridged, and so is
`OpenAssistant`. Telephone numbers and sensitive keys are masked, also keys that become sensitive after they were
written. A line is written to the file at once; marks, ten a second, and runs wait for the first word after their
second, or for the end of the call.
"""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

from msgspec import json

from bridge.observers.call_file import AT_ONCE, CallFile, Encrypt, FileQueue, is_accepted
from bridge.observers.journal_line import encode
from bridge.observers.journal_redaction import JournalRedaction
from bridge.vocabulary.commands import (
    AnswerTool,
    AppendAudio,
    ClearPlayback,
    Command,
    ConfirmHeard,
    DropReply,
    PlayAudio,
    PressKeys,
    RunTool,
    SendMark,
    SetSensitive,
    TruncateReply,
)
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    CallEnded,
    CallerAudio,
    CallStarted,
    CloseRequested,
    GoodbyeRequested,
    LegLost,
    MarkReached,
    OtherPartyAudio,
    ReplyAudio,
    ReplyEnded,
    ReplySaid,
    TimePassed,
    Word,
)
from bridge.vocabulary.people import EndHandover, TalkAudio
from bridge.vocabulary.room import JoinRoom, MemberAudio, PlayToMember, RoomAudio, SpeakToRoom
from bridge.vocabulary.supervision import CheckPin

RUN_S = 1.0
"""How long a run of audio is, and how long marks wait."""

MOST_BYTES = 65_536
"""The most bytes of events in one second, and as many of commands that come for each item or key; what comes beyond it
is counted, not written. The marks of a minute, cleared at once, take 20 000."""

SHORTEST_LINE = 40
"""A line has more bytes: where there is less room it is not made."""

MOST_LETTERS = 4_000
"""The most text of an item in one line; then another line begins."""

MOST_SPEAKING = 16
"""The most items whose words are gathered at the same time; with one more the oldest is written."""

_RoomAudio = MemberAudio | RoomAudio | SpeakToRoom | PlayToMember
_Audio = CallerAudio | OtherPartyAudio | TalkAudio | ReplyAudio | AppendAudio | PlayAudio | _RoomAudio
_Frequent = _Audio | SendMark | MarkReached
_ItemOver = ReplyEnded | TruncateReply | DropReply | ConfirmHeard
_COMMANDS = frozenset(get_args(Command))
_REPEATED = frozenset(
    {SendMark, ConfirmHeard, TruncateReply, DropReply, ClearPlayback, PressKeys, RunTool, AnswerTool}
)
_NEVER_LEFT_OUT = frozenset(
    {
        CallStarted,
        AssistantReady,
        AssistantFailed,
        CallEnded,
        LegLost,
        CloseRequested,
        GoodbyeRequested,
        CallerAudio,
        OtherPartyAudio,
    }
)


@dataclass(slots=True)
class _Run:
    """Frames of one kind, and of one item where they have one."""

    kind: type[Word]
    item: str | None
    first: float
    last: float
    bytes: int
    frames: int = 1


@dataclass(slots=True)
class _Speech:
    """The words of an item so far, in pieces."""

    first: float
    last: float
    pieces: list[str] = field(default_factory=list)
    letters: int = 0


class Journal:
    """An observer that writes the journal of one call. The file is made when the call is accepted; lines wait until then."""

    sees = None

    def __init__(
        self, directory: Path, started: datetime, files: FileQueue = AT_ONCE, encrypt: Encrypt | None = None
    ) -> None:
        self._directory = directory
        self._encrypt = encrypt
        self._files = files
        self._started = started
        self._call: CallStarted | None = None
        self._file: CallFile | None = None
        self._lines: list[bytes] = []
        self._written = 0  # bytes in the file
        self._keys = JournalRedaction()
        self._runs: dict[type[Word], _Run] = {}
        self._speeches: dict[str, _Speech] = {}
        self._begun: float | None = None
        self._flush_at = 0.0
        self._room = self._room_of_commands = MOST_BYTES
        self._left_out = 0

    def saw(self, word: Word, now: float) -> None:
        """Write a line, or add a frame to a run."""
        run = self._runs.get(type(word))
        sound: Any = word  # if there is a run of its kind
        if run is not None and (run.item is None or run.item == sound.item):
            run.frames += 1
            run.bytes += len(sound.audio)
            run.last = now
        else:
            self._note(word, run, now)
        if now >= self._flush_at:
            self._flush(now)

    def _note(self, word: Word, run: _Run | None, now: float) -> None:
        if self._begun is None:
            self._begun, self._flush_at = now, now + RUN_S
        if self._file is None:
            self._await_acceptance(word)
        if isinstance(word, TimePassed):  # the commands that it brings about have lines
            return
        if isinstance(word, _Audio):
            if run is not None:
                self._add_run(run)
            item = word.item if isinstance(word, ReplyAudio) else None
            self._runs[type(word)] = _Run(type(word), item, now, now, len(word.audio))
            return
        if isinstance(word, ReplySaid):
            self._gather(word, now)
            return
        if isinstance(word, _ItemOver):
            self._add_speech(word.item)
        if isinstance(word, SetSensitive) and word.on:
            self._mask_tail()
        if self._has_room(type(word), SHORTEST_LINE):
            self._add(encode(self._keys.without_keys(word), self._keys.hide), type(word), now)
        if not isinstance(word, _Frequent):
            self._write()

    def _await_acceptance(self, word: Word) -> None:
        is_member = isinstance(word, JoinRoom | CheckPin)  # whose leg may have no assistant
        if self._call is not None and (is_member or is_accepted(self._call, word)):
            self._file = CallFile(
                self._directory, self._call.call_id, self._started, ".jsonl", self._files, self._encrypt
            )
        elif isinstance(word, CallStarted):
            self._call = word

    def _add(self, content: bytes, kind: type[Word] | None, at: float, until: float | None = None) -> None:
        """Add a line: an object of JSON, with its times put in front. `kind`: None for a line of the journal's own."""
        assert self._begun is not None
        way = b"=" if kind is None else b">" if kind in _COMMANDS else b"<"
        times = b'"at":%.3f' % (at - self._begun)
        if until is not None:
            times += b',"until":%.3f' % (until - self._begun)
        line = b'{%s,"way":"%s",%s\n' % (times, way, content[1:])
        if not self._has_room(kind, len(line)):
            return
        if way == b"<":
            self._room -= len(line)
        elif kind in _REPEATED:
            self._room_of_commands -= len(line)
        self._lines.append(line)
        self._keys.wrote(kind, line)

    def _has_room(self, kind: type[Word] | None, size: int) -> bool:
        """Whether there is room for a line; one for which there is none is counted."""
        if kind is None or kind in _NEVER_LEFT_OUT:
            return True
        if kind in _COMMANDS:
            has_room = kind not in _REPEATED or size <= self._room_of_commands
        else:
            has_room = size <= self._room
        if has_room:
            return True
        self._left_out += 1
        return False

    def _mask_tail(self) -> None:
        """Mask keys that were written before they became sensitive."""
        self._write()
        tail = self._keys.mask_tail()
        if not tail.lines:
            return
        if self._file is None:
            self._lines[-tail.lines :] = tail.masked
            return
        at, masked = self._written - tail.length, b"".join(tail.masked)
        self._file.amend(at, masked)
        self._written = at + len(masked)

    def _add_run(self, run: _Run) -> None:
        line: dict[str, object] = {"what": run.kind.__name__, "frames": run.frames, "bytes": run.bytes}
        if run.item is not None:
            line["item"] = run.item
        self._add(json.encode(line), run.kind, run.first, run.last)

    def _gather(self, word: ReplySaid, now: float) -> None:
        speech = self._speeches.get(word.item)
        if speech is None:
            if len(self._speeches) == MOST_SPEAKING:
                self._add_speech(next(iter(self._speeches)))
            speech = self._speeches[word.item] = _Speech(now, now)
        speech.pieces.append(word.text)
        speech.letters += len(word.text) or 1  # empty pieces take room as well
        speech.last = now
        if speech.letters > MOST_LETTERS:
            self._add_speech(word.item)

    def _add_speech(self, item: str) -> None:
        if (speech := self._speeches.pop(item, None)) is not None:
            if not self._has_room(ReplySaid, speech.letters):
                return
            said = ReplySaid(item, "".join(speech.pieces))
            self._add(encode(said, self._keys.hide), ReplySaid, speech.first, speech.last)

    def _flush(self, now: float) -> None:
        self._flush_at = now + RUN_S
        for run in self._runs.values():
            self._add_run(run)
        self._runs.clear()
        if self._file is None:
            return
        if self._left_out:
            self._add(json.encode({"what": "LeftOut", "lines": self._left_out}), None, now)
        self._left_out, self._room, self._room_of_commands = 0, MOST_BYTES, MOST_BYTES
        self._write()

    def _write(self) -> None:
        if self._file is not None and self._lines:
            content = b"".join(self._lines)
            self._file.append(content)
            self._written += len(content)
            self._lines.clear()

    def close(self, now: float, account: Account) -> None:
        """Write the last line: the date and time of the call's start, its account, and the wait of each turn."""
        if self._file is None:
            return
        for item in list(self._speeches):
            self._add_speech(item)
        self._flush(now)
        ended = {
            "what": "Ended",
            "started": self._started.isoformat(timespec="milliseconds"),
            "counts": account.counts,
            "tokens": account.tokens,
            "caller_s": round(account.caller_s, 3),
            "assistant_s": round(account.assistant_s, 3),
            **({"handovers": [_handover(one) for one in account.handovers]} if account.handovers else {}),
            "turns": [
                {name: ms for name, ms in turn._asdict().items() if ms is not None} for turn in account.turns
            ],
        }
        self._add(json.encode(ended), None, now)
        self._write()
        self._file.close()


def _handover(ended: EndHandover) -> dict[str, Any]:
    """One handover in the last line."""
    return {name: getattr(ended, name) for name in ended.__struct_fields__}
