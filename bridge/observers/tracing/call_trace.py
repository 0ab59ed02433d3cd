"""Turns the words of one call into a trace: an observer that sees rare words alone, never a frame of audio.

The root is the call; below it are a span for each connection to an assistant, each turn and each handover to a person; below
a turn its replies and tools. Nothing in it has a telephone number, a key that was pressed or a secret, and without
`content` nothing of what was said. Times are seconds on the session's clock.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from bridge.observers.call_log import CallEnd, EndedBy
from bridge.observers.journal_redaction import JournalRedaction
from bridge.observers.metrics.closed_sets import OTHER, loss_reason
from bridge.observers.tracing import names
from bridge.observers.tracing.names import OURS
from bridge.observers.tracing.span import Span, Value
from bridge.observers.tracing.turn_spans import MOST_TEXT, Emit, TurnSpans
from bridge.redaction import for_log
from bridge.vocabulary.commands import (
    AnswerTool,
    ClearPlayback,
    CloseAssistant,
    ConfirmHeard,
    DropReply,
    EnterDigits,
    OpenAssistant,
    RunTool,
    SetSensitive,
    SwitchToStandby,
    TruncateReply,
    TypeDigit,
)
from bridge.vocabulary.contracts import Account, Turn
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    AssistantReportedError,
    CallerSaid,
    CallStarted,
    CarrierReportedError,
    DigitPressed,
    LegLost,
    LegName,
    Opening,
    ReplyEnded,
    ReplySaid,
    SpeechDismissed,
    SpeechStarted,
    TokensUsed,
    ToolAnswered,
    Word,
)
from bridge.vocabulary.people import (
    CallPeople,
    EndHandover,
    PeopleJoined,
    PersonAnswered,
    PersonLeft,
    PutThrough,
)
from bridge.vocabulary.trace_context import NewTrace

MOST_TOOLS = 1_000
"""Tools of one call whose output is waited for; further ones have no span."""


class TracedCall(NamedTuple):
    """What is known of a call when its trace begins."""

    trace: NewTrace
    carrier: str
    direction: str
    """inbound or outbound; empty if it is not known."""
    show_id: Callable[[str], str]
    """Returns the carrier's name for the call as a trace may have it."""
    about: Callable[[str], Mapping[str, Value]]
    """What is known of an assistant, by its name."""
    tools: Callable[[str], Collection[str]]
    """The names of the tools that the settings give an assistant."""
    content: bool
    """Whether what was said may be in it."""


class CallTrace:
    """An observer of one call, and of its turns, from when its socket is let in to its end. `emit` gets each span."""

    @property
    def sees(self) -> frozenset[type[Word]]:
        """See `Observer`."""
        return _SEES_CONTENT if self._call.content else _SEES

    def __init__(self, call: TracedCall, now: float, new_id: Callable[[], int], emit: Emit) -> None:
        self._call = call
        self._new_id = new_id
        self._emit = emit
        self._redaction = JournalRedaction()
        self._end = CallEnd()
        root, parent_id = call.trace
        self._root = Span("call", root.span_id, parent_id, now, now, "server")
        self._root.attributes = {f"{OURS}carrier": call.carrier}
        if call.direction:
            self._root.attributes[f"{OURS}direction"] = call.direction
        self._turns = TurnSpans(self._root, new_id, emit, self._shown)
        self._assistant = ""  # that has the call
        self._standby = ""
        self._connecting: dict[str, Span] = {}
        self._opened_last: Span | None = None
        self._running: dict[str, Span] = {}
        self._handover: Span | None = None
        self._speech_began: float | None = None

    def _shown(self, text: str, most: int) -> str:
        return for_log(self._redaction.hide(text), most)

    # For requests; see `CallTracing`

    def _context(self, span: Span) -> str:
        return self._call.trace.root.child(span.span_id).traceparent

    def opening(self) -> str:
        """The connection that was begun last."""
        return self._context(self._opened_last or self._root)

    def asking(self) -> str:
        """The turn."""
        return self._context(self._turns.current)

    def running(self, tool_call_id: str) -> str:
        """The tool."""
        return self._context(self._running.get(tool_call_id, self._turns.current))

    # The call

    def saw(self, word: Word, now: float) -> None:
        """Take note of a word."""
        self._redaction.without_keys(word)
        if (see := _SEEN.get(type(word))) is not None:
            see(self, word, now)
        self._end.saw(word)

    def close(self, now: float, account: Account) -> None:
        """Send what is open, and the call as the last."""
        for span in (*self._connecting.values(), *self._running.values()):
            span.reach(now)
            span.error = "broken_off"
            self._emit(span)
        if self._handover is not None:
            self._handover.reach(now)
            self._emit(self._handover)
        self._turns.close()
        ended_by = EndedBy.FAULT if self._end.sign is None else self._end.sign[0]
        root = self._root
        root.attributes |= {f"{OURS}ended_by": str(ended_by), f"{OURS}turns": account.counts.get("turns", 0)}
        root.attributes |= {f"{OURS}tokens.{kind}": count for kind, count in account.tokens.items()}
        root.error = "fault" if ended_by is EndedBy.FAULT else ""
        root.reach(now)
        self._emit(root)

    def _start(self, word: CallStarted, now: float) -> None:
        if self._end.sign is not None:
            self._root.note("stream_resumed", now)
            return
        attributes = self._root.attributes
        attributes[f"{OURS}call.id"] = attributes[names.CONVERSATION] = self._call.show_id(word.call_id)
        if word.one_way:
            attributes[f"{OURS}direction"] = "listened_to"

    def _carrier_error(self, _word: CarrierReportedError, now: float) -> None:
        self._root.note("carrier_error", now)

    # Turns; see `TurnWatcher`

    def turn_began(self, number: int, since: float | None, now: float) -> None:
        """A span begins."""
        self._turns.began(number, since, now, {names.AGENT: self._assistant} if self._assistant else {})

    def reply_began(self, item: str, now: float) -> None:
        """A span begins, where the assistant was given the turn or the output of a tool."""
        self._turns.reply_began(item, now, self._call.about(self._assistant))

    def turn_over(self, number: int, turn: Turn, now: float) -> None:
        """The waits of the turn are known."""
        self._turns.over(number, turn, now)

    def _reply_ended(self, word: ReplyEnded, now: float) -> None:
        self._turns.reply_ended(word.item, now)

    def _confirm(self, _word: ConfirmHeard, now: float) -> None:
        self._turns.reach(now)

    def _enter(self, word: EnterDigits, now: float) -> None:
        self._turns.entered(str(word.reason), now)

    def _speech_started(self, word: SpeechStarted, now: float) -> None:
        self._speech_began = now if word.interrupts else None

    def _speech_dismissed(self, _word: SpeechDismissed, now: float) -> None:
        self._turns.current.note("false_interruption", now)

    def _clear(self, _word: ClearPlayback, now: float) -> None:
        if self._speech_began == now:  # the clear is part of the answer to that speech
            self._turns.current.note("barge_in", now)
            self._turns.interrupted(None, now)
        self._speech_began = None

    def _truncate(self, word: TruncateReply, now: float) -> None:
        self._turns.interrupted(word.heard_ms, now)

    def _drop(self, _word: DropReply, now: float) -> None:
        self._turns.interrupted(0, now)

    def _use_tokens(self, word: TokensUsed, _now: float) -> None:
        self._turns.use(word.tokens)

    def _reply_said(self, word: ReplySaid, _now: float) -> None:
        self._turns.said(word.item, word.text)

    def _caller_said(self, word: CallerSaid, _now: float) -> None:
        self._turns.caller_said(word.text)

    # Assistants

    def _open(self, word: OpenAssistant, now: float) -> None:
        name = word.assistant
        if word.opening is Opening.RENEWED:
            self._standby = name
        else:
            self._assistant = name
            self._root.attributes[f"{OURS}assistant"] = name
        self._finish_connecting(name, now, "replaced")
        attributes = {**self._call.about(name), f"{OURS}opening": str(word.opening)}
        span = Span("assistant.connect", self._new_id(), self._root.span_id, now, now, "client", attributes)
        self._connecting[name] = self._opened_last = span
        if word.opening is Opening.RECOVERED:
            self._root.note("assistant_recovery", now, assistant=name)

    def _ready(self, word: AssistantReady, now: float) -> None:
        self._finish_connecting(self._standby if word.is_standby else self._assistant, now, "")
        if not word.is_standby:
            self._turns.asked(now)

    def _switch(self, _word: SwitchToStandby, now: float) -> None:
        self._assistant = self._standby
        self._root.attributes[f"{OURS}assistant"] = self._assistant
        self._root.note("assistant_renewed", now, assistant=self._assistant)

    def _leg_lost(self, word: LegLost, now: float) -> None:
        if word.leg is LegName.CARRIER:
            self._root.note("stream_lost", now, code=word.code)
            return
        name = self._standby if word.leg is LegName.STANDBY else self._assistant
        self._lost(name, loss_reason(word.code, final=word.final), now)

    def _failed(self, word: AssistantFailed, now: float) -> None:
        self._lost(self._assistant, "refused" if word.final else "failed", now)

    def _close_assistant(self, word: CloseAssistant, now: float) -> None:
        if word.why:
            self._lost(self._assistant, "stalled", now)

    def _lost(self, name: str, reason: str, now: float) -> None:
        self._finish_connecting(name, now, reason)
        self._root.note("assistant_lost", now, assistant=name, reason=reason)

    def _reported_error(self, _word: AssistantReportedError, now: float) -> None:
        self._turns.current.note("assistant_error", now)

    def _finish_connecting(self, name: str, now: float, error: str) -> None:
        if (span := self._connecting.pop(name, None)) is not None:
            span.reach(now)
            span.error = error
            self._emit(span)

    # Tools

    def _run_tool(self, word: RunTool, now: float) -> None:
        """A model may make up a name."""
        if len(self._running) >= MOST_TOOLS:
            return
        tool = word.tool if word.tool in self._call.tools(self._assistant) else OTHER
        attributes: dict[str, Value] = {
            names.OPERATION: names.EXECUTES_TOOL,
            names.TOOL: tool,
            names.TOOL_CALL: self._shown(word.tool_call_id, 100),
            names.AGENT: self._assistant,
        }
        if self._call.content:
            attributes[names.TOOL_ARGUMENTS] = self._shown(word.arguments, MOST_TEXT)
        parent_id = self._turns.current.span_id
        name = f"{names.EXECUTES_TOOL} {tool}"
        self._running[word.tool_call_id] = Span(
            name, self._new_id(), parent_id, now, now, "client", attributes
        )

    def _tool_answered(self, word: ToolAnswered, now: float) -> None:
        if (span := self._running.pop(word.tool_call_id, None)) is None:
            return
        span.reach(now)
        span.error = "tool_error" if word.output.startswith('{"error":') else ""
        if self._call.content:
            span.attributes[names.TOOL_RESULT] = self._shown(word.output, MOST_TEXT)
        self._emit(span)
        self._turns.reach(now)

    def _answer_tool(self, _word: AnswerTool, now: float) -> None:
        self._turns.asked(now)

    # Handovers to people

    def _call_people(self, word: CallPeople | PutThrough, now: float) -> None:
        if self._handover is None:
            self._handover = Span("handover", self._new_id(), self._root.span_id, now, now, "client")
        self._handover.attributes[f"{OURS}person"] = word.person
        self._handover.note("calling", now, addresses=len(word.group))

    def _answered(self, _word: PersonAnswered, now: float) -> None:
        self._note_handover("answered", now)

    def _joined(self, _word: PeopleJoined, now: float) -> None:
        self._note_handover("joined", now)

    def _left(self, _word: PersonLeft, now: float) -> None:
        self._note_handover("person_left", now)

    def _note_handover(self, name: str, now: float) -> None:
        if self._handover is not None:
            self._handover.note(name, now)

    def _end_handover(self, word: EndHandover, now: float) -> None:
        """A request that was refused called nobody, and the name in it may be made up."""
        span, self._handover = self._handover, None
        start = now - word.waited_s - word.talked_s
        if span is None:
            span = Span("handover", self._new_id(), self._root.span_id, start, now, "client")
        span.start = min(span.start, start)
        span.reach(now)
        span.attributes |= {
            f"{OURS}outcome": str(word.outcome),
            f"{OURS}talked_ms": round(word.talked_s * 1000),
        }
        self._emit(span)


_SEEN: Mapping[type[Word], Callable[[CallTrace, Any, float], None]] = dict(
    [
        on(CallStarted, CallTrace._start),
        on(CarrierReportedError, CallTrace._carrier_error),
        on(ReplyEnded, CallTrace._reply_ended),
        on(ConfirmHeard, CallTrace._confirm),
        on(EnterDigits, CallTrace._enter),
        on(SpeechStarted, CallTrace._speech_started),
        on(SpeechDismissed, CallTrace._speech_dismissed),
        on(ClearPlayback, CallTrace._clear),
        on(TruncateReply, CallTrace._truncate),
        on(DropReply, CallTrace._drop),
        on(TokensUsed, CallTrace._use_tokens),
        on(OpenAssistant, CallTrace._open),
        on(AssistantReady, CallTrace._ready),
        on(SwitchToStandby, CallTrace._switch),
        on(LegLost, CallTrace._leg_lost),
        on(AssistantFailed, CallTrace._failed),
        on(CloseAssistant, CallTrace._close_assistant),
        on(AssistantReportedError, CallTrace._reported_error),
        on(RunTool, CallTrace._run_tool),
        on(ToolAnswered, CallTrace._tool_answered),
        on(AnswerTool, CallTrace._answer_tool),
        on(CallPeople, CallTrace._call_people),
        on(PutThrough, CallTrace._call_people),
        on(PersonAnswered, CallTrace._answered),
        on(PeopleJoined, CallTrace._joined),
        on(PersonLeft, CallTrace._left),
        on(EndHandover, CallTrace._end_handover),
        on(ReplySaid, CallTrace._reply_said),
        on(CallerSaid, CallTrace._caller_said),
    ]
)
"""What each word does to the trace. None of them comes with each frame."""

CONTENT: frozenset[type[Word]] = frozenset({ReplySaid, CallerSaid})
"""What was said: it is seen where that may be in the trace."""

_KEYS: frozenset[type[Word]] = frozenset({SetSensitive, DigitPressed, TypeDigit})
"""What the redaction needs to know."""

_SEES_CONTENT = frozenset(_SEEN) | CallEnd.sees | _KEYS
_SEES = _SEES_CONTENT - CONTENT
