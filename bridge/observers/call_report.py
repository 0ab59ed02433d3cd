"""The report of one call for the address of [after_call]: who called, what was said and typed, and how it ended.

It has no sensitive entry, and no value of a secret parameter. What was said is told as it was heard. Times are UTC.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct, structs

from bridge.observers.call_file import is_accepted
from bridge.observers.call_log import CallEnd, EndedBy
from bridge.observers.call_secrets import CallSecrets
from bridge.redaction import HIDDEN, masked
from bridge.vocabulary.call_facts import Facts
from bridge.vocabulary.commands import EnterDigits, OpenAssistant, SetSensitive
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.events import (
    CallStarted,
    DigitPressed,
    EntryEnd,
    History,
    NoteTaken,
    OutcomeSet,
    Said,
    Word,
)
from bridge.vocabulary.people import EndMessage, TakeMessage

MOST_ENTRIES = 200
"""Entries of one call that are told, and as many notes; what comes later is left out."""


class Entry(Struct, frozen=True):
    """What the caller typed."""

    digits: str
    reason: EntryEnd
    terminator: str


class Message(Struct, frozen=True):
    """What the caller left for a person. `begins_s`: from the begin of the call. `recording`: the path of the file that has
    it, as the report's.
    """

    person: str
    begins_s: float
    length_s: float
    recording: str = ""


class Report(Struct, frozen=True):
    """The fields of the request's JSON. What is not known is empty."""

    id: str
    """Of this report, the same in each try."""
    call: str
    carrier: str
    direction: str
    facts: Facts
    parameters: dict[str, str]
    started: str
    ended: str
    duration_s: float
    ended_by: EndedBy
    reason: str
    outcome: str
    """The word that the assistant set."""
    assistants: list[str]
    """Those that were opened, in their order."""
    transcript: list[Said]
    entries: list[Entry]
    notes: list[str]
    handovers: list[dict[str, Any]]
    """The fields of `EndHandover` for each."""
    counts: dict[str, int]
    tokens: dict[str, int]
    caller_s: float
    assistant_s: float
    turns: list[dict[str, int]]
    message: Message | None = None
    recording: str = ""
    """The path of its file; empty where it was not recorded."""

    def recorded(self, path: str) -> "Report":
        """The same with the path of the recording, which has the message, too."""
        message = self.message and structs.replace(self.message, recording=path)
        return structs.replace(self, recording=path, message=message)


class CallReport:
    """An observer of one call. `heard`: what was said, as it was heard, once the call is over; from `now`.

    `finished` is called once, at the end of a call that was accepted.
    """

    sees: frozenset[type[Word]] = (
        CallSecrets.sees
        | CallEnd.sees
        | {
            OpenAssistant,
            EnterDigits,
            SetSensitive,
            DigitPressed,
            NoteTaken,
            OutcomeSet,
            TakeMessage,
            EndMessage,
        }
    )

    def __init__(
        self,
        report_id: str,
        carrier: str,
        direction: str,
        started: datetime,
        heard: Callable[[float], History],
        finished: Callable[[Report], None],
    ) -> None:
        self._id = report_id
        self._carrier = carrier
        self._direction = direction
        self._started = started
        self._heard = heard
        self._finished = finished
        self._secrets = CallSecrets()
        self._keys = _Keys()
        self._call: CallStarted | None = None
        self._started_at = 0.0
        self._is_accepted = False
        self._end = CallEnd()
        self._facts = Facts()
        self._parameters: dict[str, str] = {}
        self._assistants: list[str] = []
        self._entries: list[Entry] = []
        self._notes: list[str] = []
        self._outcome = ""
        self._message_at = 0.0
        self._message: Message | None = None

    def saw(self, word: Word, now: float) -> None:
        """Keep what the report needs."""
        self._secrets.saw(word)
        self._is_accepted = self._is_accepted or is_accepted(self._call, word)
        if isinstance(word, CallStarted) and self._call is None:
            self._call, self._started_at, self._parameters = word, now, word.parameters
        self._end.saw(word)
        match word:
            case OpenAssistant():
                self._facts, self._parameters = word.context.facts, word.parameters
                if self._assistants[-1:] != [word.assistant]:
                    self._assistants.append(word.assistant)
            case NoteTaken(text) if len(self._notes) < MOST_ENTRIES:
                self._notes.append(text)
            case OutcomeSet(outcome):
                self._outcome = outcome
            case TakeMessage():
                self._message_at = now
            case EndMessage(person, length_s):
                self._message = Message(person, round(self._message_at - self._started_at, 3), length_s)
        self._keys.saw(word)
        if isinstance(word, EnterDigits):
            self._entered(word)

    def _entered(self, entry: EnterDigits) -> None:
        if self._keys.take(entry):
            if len(self._entries) < MOST_ENTRIES:
                self._entries.append(Entry(entry.digits, entry.reason, entry.terminator))
        elif not entry.placeholder:  # sensitive only at its beginning: its digits may be in the transcript
            self._secrets.saw(structs.replace(entry, placeholder=HIDDEN))

    def close(self, now: float, account: Account) -> None:
        """Hand over the report."""
        call = self._call
        if call is None or not self._is_accepted:
            return
        ended_by, reason = self._end.sign or (EndedBy.FAULT, "a fault in the bridge")
        duration_s = now - self._started_at
        hide = self._secrets.hide
        said = (told for told in self._heard(now) if isinstance(told, Said))
        report = Report(
            self._id,
            call.call_id,
            self._carrier,
            self._direction or self._facts.direction,
            self._facts,
            masked(self._parameters),
            self._started.isoformat(timespec="milliseconds"),
            (self._started + timedelta(seconds=duration_s)).isoformat(timespec="milliseconds"),
            round(duration_s, 3),
            ended_by,
            hide(reason),
            hide(self._outcome),
            self._assistants,
            [Said(told.who, hide(told.text)) for told in said],
            self._entries,
            [hide(note) for note in self._notes],
            [structs.asdict(one) for one in account.handovers],
            dict(account.counts),
            dict(account.tokens),
            round(account.caller_s, 3),
            round(account.assistant_s, 3),
            [{name: ms for name, ms in turn._asdict().items() if ms is not None} for turn in account.turns],
            self._message,
        )
        self._finished(report)


class _Keys:
    """Whether an entry may be told: no key of it was typed while keys were sensitive, or was found to be later."""

    def __init__(self) -> None:
        self._open = 0  # keys of no entry so far
        self._is_sensitive = False
        self._was_sensitive = False  # since the last entry

    def saw(self, word: Word) -> None:
        match word:
            case DigitPressed():
                self._open += 1
            case SetSensitive(is_sensitive):
                self._is_sensitive = is_sensitive
                self._was_sensitive = is_sensitive or (self._was_sensitive and self._open > 0)

    def take(self, entry: EnterDigits) -> bool:
        """An entry is complete. Returns whether it may be told."""
        is_public = not (entry.placeholder or self._was_sensitive)
        self._open = max(0, self._open - len(entry.digits) - bool(entry.terminator))
        self._was_sensitive = self._is_sensitive or (self._was_sensitive and self._open > 0)
        return is_public
