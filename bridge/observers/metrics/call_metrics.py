"""Turns the words of one call into samples: an observer that sees rare words alone, never a frame of audio.

What frames are counted by comes with the account at the end of the call; a turn is counted when it is over. `clock` is the
session's: what is done to a message takes a while, and the words of one message all have its time.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from bridge.observers.call_log import CallEnd, EndedBy
from bridge.observers.metrics import account_samples
from bridge.observers.metrics.closed_sets import OTHER, TOKEN_KINDS, loss_reason
from bridge.observers.metrics.families import Metrics
from bridge.vocabulary.commands import (
    ClearPlayback,
    CloseAssistant,
    EnterDigits,
    OpenAssistant,
    RunTool,
    SwitchToStandby,
)
from bridge.vocabulary.contracts import Account, Turn
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    AssistantReportedError,
    CallStarted,
    CloseRequested,
    LegLost,
    LegName,
    MessageRefused,
    Opening,
    SpeechStarted,
    TokensUsed,
    ToolAnswered,
    Word,
)
from bridge.vocabulary.people import EndHandover

NOBODY = "none"
"""The label of the assistant, where a call has had none."""

MOST_TOOLS = 1_000
"""Tools of one call whose output is waited for; the time of further ones is not measured."""

Tools = Callable[[str], Collection[str]]
"""The names of the tools that the settings give an assistant."""


class CallMetrics:
    """An observer of one call, and of its turns, from when its socket is let in to its end.

    `direction`: inbound or outbound, empty if it is not known.
    """

    @property
    def sees(self) -> frozenset[type[Word]]:
        """See `Observer`."""
        return _SEES

    def __init__(
        self,
        metrics: Metrics,
        carrier: str,
        direction: str,
        tools: Tools,
        clock: Callable[[], float],
        ended: Callable[["CallMetrics"], None] = lambda _: None,
    ) -> None:
        self.started_at: float | None = None
        """When its stream started, in seconds on the session's clock."""
        self._metrics = metrics
        self._carrier = carrier
        self._direction = direction or "unknown"
        self._tools = tools
        self._clock = clock
        self._ended = ended
        self._end = CallEnd()
        self._is_closing = False
        self._assistant = NOBODY  # that has the call
        self._standby = NOBODY
        self._opened: dict[str, float] = {}  # when an assistant was opened that is not ready yet
        self._asked: dict[int, str] = {}  # who had the call when a turn began that is not over
        self._speech_began: float | None = None
        self._running: dict[str, tuple[str, str, float]] = {}
        metrics.calls_active.labels(carrier).inc()

    def saw(self, word: Word, now: float) -> None:
        """Take the samples of a word."""
        self._end.saw(word)
        if (see := _SEEN.get(type(word))) is not None:
            see(self, word, now)

    def close(self, now: float, account: Account) -> None:
        """Take the samples of the whole call."""
        metrics, carrier = self._metrics, self._carrier
        metrics.calls_active.labels(carrier).dec()
        self._ended(self)
        for assistant, tool, _ in self._running.values():
            metrics.tools.labels(assistant, tool, "broken_off").inc()
        ended_by = str(EndedBy.FAULT if self._end.sign is None else self._end.sign[0])
        metrics.calls.labels(carrier, self._direction, self._assistant, ended_by).inc()
        duration_s = 0.0 if self.started_at is None else now - self.started_at
        metrics.call_duration.labels(carrier, ended_by).observe(duration_s)
        account_samples.observe(metrics, carrier, self._assistant, account)

    # The call

    def _start(self, word: CallStarted, now: float) -> None:
        if self.started_at is None:
            self.started_at = now
            self._direction = "listened_to" if word.one_way else self._direction

    def _close_requested(self, _word: CloseRequested, _now: float) -> None:
        self._is_closing = True

    def _refused(self, word: MessageRefused, _now: float) -> None:
        self._metrics.messages_refused.labels(self._carrier, str(word.leg)).inc()

    def _enter(self, word: EnterDigits, _now: float) -> None:
        self._metrics.entries.labels(str(word.reason)).inc()

    def _end_handover(self, word: EndHandover, _now: float) -> None:
        self._metrics.handovers.labels(self._carrier, str(word.outcome)).inc()

    # Turns; see `TurnWatcher`

    def turn_began(self, number: int, _since: float | None, _now: float) -> None:
        """Keep who is to reply."""
        self._asked[number] = self._assistant

    def reply_began(self, item: str, now: float) -> None:
        """The turn has the time of it."""

    def turn_over(self, number: int, turn: Turn, _now: float) -> None:
        """Take the samples of a turn."""
        account_samples.observe_turn(self._metrics, self._asked.pop(number), turn)

    def _speech_started(self, word: SpeechStarted, now: float) -> None:
        self._speech_began = now if word.interrupts else None

    def _clear(self, _word: ClearPlayback, now: float) -> None:
        if self._speech_began == now:  # the clear is part of the answer to that speech
            self._metrics.barge_in_clear.labels(self._assistant).observe(max(0.0, self._clock() - now))
        self._speech_began = None

    # Assistants

    def _open(self, word: OpenAssistant, now: float) -> None:
        name = word.assistant or NOBODY
        if word.opening is Opening.RENEWED:
            self._standby = name
        else:
            self._assistant = name
        self._opened[name] = now
        self._metrics.connections.labels(name, str(word.opening)).inc()

    def _ready(self, word: AssistantReady, now: float) -> None:
        name = self._standby if word.is_standby else self._assistant
        if (opened_at := self._opened.pop(name, None)) is not None:
            self._metrics.connect.labels(name).observe(now - opened_at)

    def _switch(self, _word: SwitchToStandby, _now: float) -> None:
        self._assistant = self._standby

    def _leg_lost(self, word: LegLost, _now: float) -> None:
        if word.leg is LegName.CARRIER:
            return
        name = self._standby if word.leg is LegName.STANDBY else self._assistant
        self._lost(name, loss_reason(word.code, final=word.final))

    def _failed(self, word: AssistantFailed, _now: float) -> None:
        self._lost(self._assistant, "refused" if word.final else "failed")

    def _close_assistant(self, word: CloseAssistant, _now: float) -> None:
        if word.why:
            self._lost(self._assistant, "stalled")

    def _lost(self, name: str, reason: str) -> None:
        """One that hangs up may close its connection: that is no loss."""
        self._opened.pop(name, None)
        if not self._is_closing:
            self._metrics.losses.labels(name, reason).inc()

    def _reported_error(self, _word: AssistantReportedError, _now: float) -> None:
        self._metrics.assistant_errors.labels(self._assistant).inc()

    def _use_tokens(self, word: TokensUsed, _now: float) -> None:
        for kind, count in word.tokens.items():
            self._metrics.tokens.labels(self._assistant, kind if kind in TOKEN_KINDS else OTHER).inc(count)

    # Tools

    def _run_tool(self, word: RunTool, now: float) -> None:
        """A model may make up a name."""
        tool = word.tool if word.tool in self._tools(self._assistant) else OTHER
        if len(self._running) < MOST_TOOLS:
            self._running[word.tool_call_id] = (self._assistant, tool, now)

    def _tool_answered(self, word: ToolAnswered, now: float) -> None:
        if (running := self._running.pop(word.tool_call_id, None)) is None:
            return
        assistant, tool, began_at = running
        result = "failed" if word.output.startswith('{"error":') else "answered"
        self._metrics.tools.labels(assistant, tool, result).inc()
        self._metrics.tool_time.labels(assistant, tool).observe(now - began_at)


_SEEN: Mapping[type[Word], Callable[[CallMetrics, Any, float], None]] = dict(
    [
        on(CallStarted, CallMetrics._start),
        on(CloseRequested, CallMetrics._close_requested),
        on(MessageRefused, CallMetrics._refused),
        on(EnterDigits, CallMetrics._enter),
        on(EndHandover, CallMetrics._end_handover),
        on(SpeechStarted, CallMetrics._speech_started),
        on(ClearPlayback, CallMetrics._clear),
        on(OpenAssistant, CallMetrics._open),
        on(AssistantReady, CallMetrics._ready),
        on(SwitchToStandby, CallMetrics._switch),
        on(LegLost, CallMetrics._leg_lost),
        on(AssistantFailed, CallMetrics._failed),
        on(CloseAssistant, CallMetrics._close_assistant),
        on(AssistantReportedError, CallMetrics._reported_error),
        on(TokensUsed, CallMetrics._use_tokens),
        on(RunTool, CallMetrics._run_tool),
        on(ToolAnswered, CallMetrics._tool_answered),
    ]
)
"""What each word counts. None of them comes with each frame."""

_SEES = frozenset(_SEEN) | CallEnd.sees
