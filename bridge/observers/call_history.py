"""The history of a call, read from its journal: who said what and when, what was heard, what was cut.

A journal counts seconds from its first line, a recording from its first frame of audio. A `CallHistory` counts as the
recording does, so that both can be put side by side.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

from msgspec import MsgspecError, Struct, json

from bridge.observers.call_parties import Stretch, stretches
from bridge.observers.journal_line import LINES
from bridge.observers.party_roles import RoleStretch, role_stretches
from bridge.vocabulary.contracts import Turn
from bridge.vocabulary.errors import ConfigurationError
from bridge.vocabulary.events import LegName, Opening

Way = Literal["<", ">", "="]

LINES_TO_REST = 100

_LEAVES_STREAM = ("CloseStream", "JoinPerson", "PeopleJoined")

_NOTES = {
    "CallStarted": "call starts",
    "NoteTaken": "note: {text}",
    "OutcomeSet": "outcome: {outcome}",
    "AssistantFailed": "assistant failed: {why}",
    "LegLost": "{leg} lost, code {code}",
    "HangUp": "hang-up: {why}",
    "CallPeople": "{person} is called",
    "PutThrough": "put through to {person}",
    "PersonAnswered": "somebody answers",
    "NobodyReached": "nobody is reached: {why}",
    "PersonAccepted": "the person takes the call",
    "PersonDeclined": "the person declines: {why}",
    "PersonLeft": "the person has left",
    "SuperviseRequested": "supervisor {supervisor}: {role}{to}",
    "SupervisorAnswered": "supervisor {supervisor} answers",
    "SupervisorJoined": "supervisor {supervisor} joins",
    "SupervisorNotReached": "supervisor {supervisor} is not reached: {why}",
    "SupervisorLeft": "supervisor {supervisor} has left",
    "EndSupervision": "supervisor {supervisor} is hung up on: {why}",
    "SupervisionRefused": "supervisor {supervisor}: {why}",
}
_AGAIN = {Opening.RENEWED: "renewing", Opening.RETURNED: "back with the assistant"}
"""Why the assistant that had the call is opened again."""
_NOT_STARTED: dict[str, Any] = {"call_id": "", "line": {"rate_hz": 8000}}


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One line of a journal. `at_s`: seconds; `what`: the name of the event or command; `fields`: the whole line."""

    at_s: float
    way: Way
    what: str
    fields: dict[str, Any]


class Words(NamedTuple):
    """What the caller said or typed. `at_s`: when the caller began to speak, or when the entry was complete."""

    at_s: float
    text: str
    typed: bool = False


class Wait(NamedTuple):
    """How long the caller waited for a reply, from voice to voice. `parts`: those of `contracts.Turn`, in ms."""

    began_s: float
    ended_s: float
    parts: Mapping[str, int]

    @property
    def length_s(self) -> float:
        """The wait in seconds."""
        return self.ended_s - self.began_s


class Reply(NamedTuple):
    """An item of a reply, and when the caller had heard it. `heard_ms`: how much was heard; None: all of it."""

    item: str
    began_s: float
    heard_s: float
    heard_ms: int | None = None
    text: str = ""


class ToolRun(NamedTuple):
    """A tool that an assistant called. `answered_s`: when an assistant got the output; None: none ever did.

    `told_to`: the name of that assistant, if the one that called the tool was gone.
    """

    tool: str
    began_s: float
    answered_s: float | None
    told_to: str = ""


class Mark(NamedTuple):
    """A mark. `heard`: it came back because the audio before it was played, and not because of a clear."""

    sent_s: float
    returned_s: float | None
    heard: bool


class Cut(NamedTuple):
    """A clear that threw away `unheard_s` of audio. `barge_in`: because the caller spoke."""

    at_s: float
    unheard_s: float
    barge_in: bool


class CallHistory(NamedTuple):
    """The history of a call. `turns`: from the event that the caller began to speak to the event that the caller stopped."""

    call_id: str
    ended_s: float
    other_party: bool
    has_room: bool
    """Whether the bridge mixed a person or a supervisor with the two."""
    notes: list[tuple[float, str]]
    turns: list[tuple[float, float]]
    said: list[Words]
    digits: list[tuple[float, str]]
    waits: list[Wait]
    tools: list[ToolRun]
    replies: list[Reply]
    marks: list[Mark]
    cuts: list[Cut]
    away: list[Stretch]
    """When the caller was on hold, with a person, or left a message."""
    roles: list[RoleStretch]
    """The roles of all parties over time; empty in a call without a person and a supervisor."""

    @property
    def barge_ins(self) -> list[Cut]:
        """The clears because the caller spoke."""
        return [cut for cut in self.cuts if cut.barge_in]

    def summary(self) -> str:
        """Return the history in one line of text."""
        return " ".join(self.sentences())

    def sentences(self) -> tuple[str, ...]:
        """Return what happened, and how long the caller waited if that is known."""
        unheard_s = sum(cut.unheard_s for cut in self.cuts)
        thrown_away = f"; {unheard_s:.1f} s thrown away unheard" if self.cuts else ""
        tools = f" Tools: {len(self.tools)}." if self.tools else ""
        whose = "Turns that the assistant heard" if self.has_room else "Turns of the caller"
        happened = (
            f"{whose}: {len(self.turns)}. Keys: {len(self.digits)}. "
            f"Replies heard: {len(self.replies)}. Barge-ins: {len(self.barge_ins)}{thrown_away}.{tools}"
        )
        return (happened, f"Waits: {_sum_up(self.waits)}.") if self.waits else (happened,)


def _sum_up(waits: Sequence[Wait]) -> str:
    """The median wait with its parts, and the longest."""
    waits = sorted(waits, key=lambda wait: wait.length_s)
    median, longest = waits[(len(waits) - 1) // 2], waits[-1]
    parts = ", ".join(f"{name} {ms / 1000:.2f}" for name, ms in median.parts.items())
    return f"median {median.length_s:.2f} s ({parts}), longest {longest.length_s:.2f} s"


class _Line(Struct):
    """The fields that every line has, and those that a run of audio has besides."""

    at: float
    way: Way
    what: str
    until: float = 0.0
    item: str = ""


class _Ended(Struct):
    """The last line, as far as it is read: for each turn the fields of `contracts.Turn`. Older journals have none."""

    turns: list[dict[str, int]] = []


_LINES: dict[str, type[Struct]] = LINES | {"Ended": _Ended}


def read_journal(path: Path, rests: Callable[[], object] = lambda: None) -> list[JournalEntry]:
    """Return the lines of a journal by time. Raises `ConfigurationError`, with file and line, if a line is malformed.

    `rests`: called now and then, for a thread beside which calls go on.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    entries = []
    for number, text in enumerate(lines, 1):
        if number % LINES_TO_REST == 0:
            rests()
        try:
            entries.append(_read_line(text))
        except (MsgspecError, UnicodeDecodeError) as error:
            if number == len(lines):
                break  # no newline behind it: the process was killed while it wrote
            raise ConfigurationError(f"{path}, line {number}: {error}") from error
    return sorted(entries, key=lambda entry: entry.at_s)  # a run of audio is written when it ends


def _read_line(text: bytes) -> JournalEntry:
    line, fields = json.decode(text, type=_Line), json.decode(text, type=dict[str, Any])
    if line.what in _LINES and "frames" not in fields:
        json.decode(text, type=_LINES[line.what])  # raises if one of its fields is missing
    return JournalEntry(line.at, line.way, line.what, fields)


def build_history(entries: Sequence[JournalEntry]) -> CallHistory:
    """Build the history of a call from the lines of its journal, in the order of `read_journal`."""
    first_sound_s = next((one.at_s for one in entries if one.what in {"CallerAudio", "OtherPartyAudio"}), 0.0)
    ended_s = max((one.fields.get("until", one.at_s) for one in entries), default=0.0) - first_sound_s
    entries = [replace(one, at_s=one.at_s - first_sound_s) for one in entries]

    def each(what: str) -> list[tuple[float, dict[str, Any]]]:
        return [(one.at_s, one.fields) for one in entries if one.what == what]

    spoke_s, paused_s = ([at_s for at_s, _ in each(what)] for what in ("SpeechStarted", "SpeechStopped"))
    started = next((started for _, started in each("CallStarted")), _NOT_STARTED)
    return CallHistory(
        call_id=started["call_id"],
        ended_s=ended_s,
        other_party=bool(each("OtherPartyAudio")),
        has_room=bool(each("SetRole")),
        notes=list(_notes(entries)),
        turns=[
            (at_s, min((end_s for end_s in paused_s if end_s > at_s), default=ended_s)) for at_s in spoke_s
        ],
        said=sorted(_said(entries)),
        digits=[(at_s, pressed["digit"]) for at_s, pressed in each("DigitPressed")],
        waits=list(_waits(entries)),
        tools=sorted(_tools(entries), key=lambda run: run.began_s),
        replies=list(_replies(entries)),
        marks=list(_marks(entries)),
        cuts=[
            Cut(
                at_s,
                clear["unheard_samples"] / (started.get("plays") or started["line"])["rate_hz"],
                barge_in=at_s in spoke_s,
            )
            for at_s, clear in each("ClearPlayback")
        ],
        away=list(stretches(entries, ended_s)),
        roles=role_stretches(entries, ended_s),
    )


def _notes(entries: Sequence[JournalEntry]) -> Iterator[tuple[float, str]]:
    assistant: str | None = None  # who has the call
    started, is_left = False, False  # whether the stream is left to the carrier: its end is none of the call
    for number, one in enumerate(entries, 1):
        was_left = is_left
        if one.what == "LegLost" and _joins_next(islice(entries, number, None)):
            is_left = was_left = True
        is_left = one.what != "CallStarted" and (is_left or one.what in _LEAVES_STREAM)
        if was_left and one.what in ("LegLost", "CallStarted") and one.fields.get("leg") != LegName.ASSISTANT:
            continue
        if one.what == "CallStarted" and started:
            yield one.at_s, "the stream came back"
        elif one.what in _NOTES:
            started = started or one.what == "CallStarted"
            to = f" to the {one.fields['to']}" if one.fields.get("to") else ""
            yield one.at_s, _NOTES[one.what].format(**one.fields | {"to": to})
        elif one.what == "OpenAssistant":
            opening, name = one.fields.get("opening", Opening.FIRST), one.fields.get("assistant", "")
            if name != assistant and assistant is not None:
                yield one.at_s, f"fallback to {name}"
            elif name == assistant:
                yield one.at_s, _AGAIN.get(opening, "reconnecting")
            assistant = name


def _joins_next(entries: Iterable[JournalEntry]) -> bool:
    """Whether the next that becomes of the caller is that the carrier joined them with a person, for which it ended the stream."""
    becomes = ("PeopleJoined", "CallStarted", "HangUp", "EndHandover")
    return next((one.what for one in entries if one.what in becomes), "") == "PeopleJoined"


def _said(entries: Sequence[JournalEntry]) -> Iterator[Words]:
    """The words of an utterance are written after it ended; by its name they are put where it began."""
    spoke_s: float | None = None
    began_s: dict[str, float] = {}
    for one in entries:
        match one.what:
            case "SpeechStarted":
                spoke_s = one.at_s
            case "SpeechStopped" if item := one.fields.get("item"):
                began_s[item] = one.at_s if spoke_s is None else spoke_s
            case "CallerSaid":
                yield Words(began_s.get(one.fields["item"], one.at_s), one.fields["text"].strip())
            case "EnterDigits" if typed := one.fields["digits"] or one.fields.get("terminator"):
                yield Words(one.at_s, typed, typed=True)


def _waits(entries: Sequence[JournalEntry]) -> Iterator[Wait]:
    """The last line says how long each wait was; the line of each turn says when its pause was noticed."""
    noticed_s: list[float] = []
    waited: list[dict[str, int]] = []
    keys_interrupt = False
    for one in entries:
        match one.what:
            case "AssistantReady":
                keys_interrupt = one.fields.get("keys_interrupt", False)
            case "SpeechStopped":
                noticed_s.append(one.at_s)
            case "EnterDigits" if keys_interrupt:
                noticed_s.append(one.at_s)
            case "Ended":
                waited = one.fields.get("turns", [])
    if len(noticed_s) != len(waited):  # a process was killed, or lines were left out
        return
    for at_s, turn in zip(noticed_s, waited, strict=True):
        if turn.keys() >= set(Turn._fields):
            began_s = at_s - turn["pause_ms"] / 1000
            parts = {name.removesuffix("_ms"): turn[name] for name in Turn._fields if name != "wait_ms"}
            yield Wait(began_s, began_s + turn["wait_ms"] / 1000, parts)


def _tools(entries: Sequence[JournalEntry]) -> Iterator[ToolRun]:
    running: dict[str, ToolRun] = {}
    assistant = ""  # who has the call, or is about to: a standby has the same name
    for one in entries:
        match one.what:
            case "OpenAssistant":
                assistant = one.fields.get("assistant", "")
            case "RunTool":
                running[one.fields["tool_call_id"]] = ToolRun(one.fields["tool"], one.at_s, None)
            case "AnswerTool" if run := running.pop(one.fields["tool_call_id"], None):
                told_to = assistant if one.fields.get("is_late") else ""
                yield run._replace(answered_s=one.at_s, told_to=told_to)
    yield from running.values()


def _replies(entries: Sequence[JournalEntry]) -> Iterator[Reply]:
    came_s: dict[str, float] = {}
    texts: dict[str, str] = {}
    for one in entries:
        if one.what == "ReplySaid":
            texts[one.fields["item"]] = texts.get(one.fields["item"], "") + one.fields["text"]
    before_s = float("-inf")  # when the caller had heard the reply before: they are played in turn
    for one in entries:
        match one.what:
            case "ReplyAudio":
                came_s.setdefault(one.fields.get("item", ""), one.at_s)
            case "ConfirmHeard" | "TruncateReply":
                item = one.fields["item"]
                began_s = max(before_s, came_s.get(item, one.at_s))
                text = texts.get(item, "").strip()
                yield Reply(item, began_s, one.at_s, one.fields.get("heard_ms"), text)
                before_s = one.at_s


def _marks(entries: Sequence[JournalEntry]) -> Iterator[Mark]:
    pending: dict[str, float] = {}
    cleared: set[str] = set()
    for one in entries:
        match one.what:
            case "SendMark":
                pending[one.fields["name"]] = one.at_s
            case "ClearPlayback":
                cleared |= pending.keys()
            case "MarkReached" if (name := one.fields["name"]) in pending:
                yield Mark(pending.pop(name), one.at_s, name not in cleared)
    yield from (Mark(sent_s, None, False) for sent_s in pending.values())
