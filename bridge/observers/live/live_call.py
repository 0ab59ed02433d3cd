"""One call as it is shown while it is under way: an observer that sees rare words alone, and frames only while watched."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, Protocol, get_args

from msgspec import structs

from bridge.core.engine import SeesWords
from bridge.core.states import State
from bridge.observers.call_history import JournalEntry
from bridge.observers.call_log import CallEnd, EndedBy
from bridge.observers.call_secrets import CallSecrets
from bridge.observers.live.levels import VoiceFrames
from bridge.observers.live.lines import LiveLines, read_live_line
from bridge.observers.live.parties import LiveParties
from bridge.observers.live.spoken import Spoken
from bridge.observers.live.view import CallDetails, CallView, PartyName, parties_of
from bridge.redaction import safe_id, without_private
from bridge.vocabulary.call_facts import Facts
from bridge.vocabulary.commands import (
    CloseAssistant,
    ConfirmHeard,
    DropReply,
    EnterDigits,
    OpenAssistant,
    SwitchToStandby,
    TruncateReply,
)
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.events import (
    AssistantReady,
    CallerSaid,
    CallStarted,
    DigitPressed,
    ReplyEnded,
    ReplySaid,
    SpeechStopped,
    Word,
)
from bridge.vocabulary.operator import OperatorEvent
from bridge.vocabulary.people import (
    CallPeople,
    EndHandover,
    ListeningStarted,
    PeopleJoined,
    PersonLeft,
    PutThrough,
    TakeBack,
)
from telecodecs.format import PCMU_8K


class Shown(Protocol):
    """What a view needs of a call in the core."""

    @property
    def state(self) -> State: ...

    @property
    def is_held(self) -> bool: ...

    @property
    def muted(self) -> Collection[PartyName]: ...

    @property
    def assistant_listens(self) -> bool: ...


class Watchable(Protocol):
    """What a view needs of the session that carries the call."""

    def watch(self, observer: SeesWords) -> None: ...

    def unwatch(self, observer: SeesWords) -> None: ...

    @property
    def last_wait_ms(self) -> int | None: ...


class Owner(Protocol):
    """Who has all live calls."""

    def started(self, call: "LiveCall") -> None:
        """Its stream has started."""
        ...

    def changed(self, call: "LiveCall") -> None:
        """Its view may be another."""
        ...

    def spoke(self, call: "LiveCall") -> None:
        """There are more words of it."""
        ...

    def ended(self, call: "LiveCall") -> None:
        """It is over."""
        ...


class LiveCall:
    """One call. `began`: the time of day when its socket was let in, in UTC. `owner` is told what becomes of it."""

    def __init__(
        self,
        carrier: str,
        call: Shown,
        began: datetime,
        facts: Facts = Facts(),  # noqa: B008  # frozen
        *,
        direction: str = "",
        route: str = "",
        owner: "Owner",
    ) -> None:
        self.id = ""
        """The carrier's id of the call; empty before the stream has started."""
        self.carrier = carrier
        self.session: Watchable | None = None
        """Set once there is one."""
        self.reason = str(EndedBy.FAULT)
        """Who ended the call."""
        self._secrets = CallSecrets()
        self.spoken = Spoken(self._secrets.hide)
        """What was said."""
        self._call = call
        self._began = began
        self._facts = facts
        self._direction = direction
        self._route = route
        self._assistant = self._standby = ""
        self._keys = 0  # of an entry that is not complete
        self._started_at = 0.0
        self._parties = LiveParties()
        self._owner = owner
        self._line = self._plays = PCMU_8K
        self._end = CallEnd()
        self._frames: VoiceFrames | None = None
        self._lines: LiveLines | None = None

    @property
    def sees(self) -> Collection[type[Word]]:
        """No frames."""
        return _SEES

    def saw(self, word: Word, now: float) -> None:
        """Take note of a word."""
        kind = type(word)
        if kind in CallSecrets.sees:
            self._secrets.saw(word)
        if kind in CallEnd.sees:
            self._end.saw(word)
        if kind in LiveParties.sees:
            self._parties.saw(word, now)
        if (see := _SEEN.get(kind)) is not None:
            see(self, word, now)
        if self.id:
            if kind in _OF_WORDS:
                self._owner.spoke(self)
            else:
                self._owner.changed(self)

    def close(self, now: float, account: Account) -> None:
        """The call is over."""
        if self._end.sign is not None:
            self.reason = str(self._end.sign[0])
        self._owner.ended(self)  # who takes the last lines
        self.listen(on=False)
        self.read(on=False)
        self.session = None

    @property
    def assistant(self) -> str:
        """The name of the assistant that has the call; empty before there is one."""
        return self._assistant

    # What is seen

    def _start(self, word: CallStarted, now: float) -> None:
        self._line, self._plays = word.line, word.plays or word.line
        if not self.id:
            self.id, self._started_at = word.call_id, now
            self._owner.started(self)

    def _open(self, word: OpenAssistant, _now: float) -> None:
        if word.context.facts != Facts():
            self._facts = word.context.facts
        self._standby = word.assistant

    def _ready(self, word: AssistantReady, _now: float) -> None:
        if not word.is_standby:
            self._assistant = self._standby or self._assistant

    def _switch(self, _word: SwitchToStandby, _now: float) -> None:
        self._assistant = self._standby

    def _press(self, _word: DigitPressed, _now: float) -> None:
        self._keys += 1

    def _enter(self, _word: EnterDigits, _now: float) -> None:
        self._keys = 0

    def _caller_said(self, word: CallerSaid, now: float) -> None:
        self.spoken.caller(word.text, self._ms(now))

    def _reply_said(self, word: ReplySaid, now: float) -> None:
        self.spoken.assistant(word.item, word.text, self._ms(now))

    def _item_over(self, _word: Word, _now: float) -> None:
        self.spoken.end_item()

    def _ms(self, now: float) -> int:
        return round((now - self._started_at) * 1000)

    # What is shown

    def view(self, now: float) -> CallView:
        """The call as it is at `now`, seconds on the session's clock."""
        call, facts = self._call, self._facts
        return CallView(
            id=self.id,
            carrier=self.carrier,
            direction=self._direction or facts.direction,
            route=self._route,
            assistant=self._assistant,
            state=str(call.state),
            began_at=self._began.isoformat(timespec="milliseconds"),
            duration_s=round(now - self._started_at, 1),
            from_=safe_id(without_private(facts.from_)),
            to=safe_id(without_private(facts.to)),
            parties=parties_of(
                call.state,
                call.muted,
                assistant_listens=call.assistant_listens,
                room=self._parties.room,
                supervisors=self._parties.supervisors.values(),
            ),
            last_wait_ms=None if self.session is None else self.session.last_wait_ms,
            digits="•" * self._keys,
            held=call.is_held,
            muted=tuple(sorted(call.muted)),
        )

    def details(self, now: float) -> CallDetails:
        """The call with its words."""
        return CallDetails(**structs.asdict(self.view(now)), transcript=self.spoken.lines())

    # While somebody watches

    def listen(self, *, on: bool) -> None:
        """Keep the frames that are heard, for their levels; or no longer."""
        if on and self._frames is None and self.session is not None:
            self._frames = VoiceFrames(self._line, self._plays)
            self.session.watch(self._frames)
        elif not on and self._frames is not None:
            if self.session is not None:
                self.session.unwatch(self._frames)
            self._frames = None

    @property
    def frames(self) -> VoiceFrames | None:
        """What is heard, while somebody watches."""
        return self._frames

    def read(self, *, on: bool) -> None:
        """Keep the lines of the journal, for whoever watches this call alone; or no longer."""
        if on and self._lines is None and self.session is not None:
            self._lines = LiveLines(self._started_at, self._secrets.hide)
            self.session.watch(self._lines)
        elif not on and self._lines is not None:
            if self.session is not None:
                self.session.unwatch(self._lines)
            self._lines = None

    def take_lines(self) -> list[bytes]:
        """The lines since the last call; each an object of JSON."""
        return [] if self._lines is None else self._lines.take()

    def entries(self) -> list[JournalEntry]:
        """What happened since somebody began to watch this call alone, as its journal has it."""
        rates = {"line": {"rate_hz": self._line.rate_hz}, "plays": {"rate_hz": self._plays.rate_hz}}
        start = JournalEntry(0.0, "<", "CallStarted", {"call_id": self.id, **rates})
        lines = () if self._lines is None else self._lines.kept
        return [start, *(read_live_line(line) for line in lines)]


_SEEN: Mapping[type[Word], Callable[[LiveCall, Any, float], None]] = dict(
    [
        on(CallStarted, LiveCall._start),
        on(OpenAssistant, LiveCall._open),
        on(AssistantReady, LiveCall._ready),
        on(SwitchToStandby, LiveCall._switch),
        on(DigitPressed, LiveCall._press),
        on(EnterDigits, LiveCall._enter),
        on(CallerSaid, LiveCall._caller_said),
        on(ReplySaid, LiveCall._reply_said),
        on(ReplyEnded, LiveCall._item_over),
        on(TruncateReply, LiveCall._item_over),
        on(DropReply, LiveCall._item_over),
    ]
)

_OTHERS: frozenset[type[Word]] = frozenset(
    {
        *get_args(OperatorEvent),
        *(CloseAssistant, CallPeople, PutThrough, PeopleJoined, PersonLeft, TakeBack, EndHandover),
        *(ListeningStarted, SpeechStopped, ConfirmHeard),
    }
)
"""Words with which the view may be another: by the state of the call, or by how long the caller waited."""

_SEES = frozenset(_SEEN) | CallSecrets.sees | CallEnd.sees | LiveParties.sees | _OTHERS

_OF_WORDS = frozenset({CallerSaid, ReplySaid, ReplyEnded, TruncateReply, DropReply})
"""They change nothing but what was said."""
