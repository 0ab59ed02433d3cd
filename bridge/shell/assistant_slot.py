"""The assistant slot of a call: which assistant has the call, and which one is about to take over.

An assistant that is opened while another one is active is its standby. Until the switch only its `AssistantReady`
reaches the call. An exception in an assistant's code closes that assistant; the call goes on.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from msgspec import structs

from bridge.core.engine import Perform
from bridge.observers.caller_sound import MEASURED_FRAMES, CallerSound
from bridge.shell.close_frames import INTERNAL_ERROR, POLICY_VIOLATION
from bridge.shell.tool_runs import ToolRuns
from bridge.vocabulary import retry_after
from bridge.vocabulary.commands import (
    AnswerTool,
    AppendAudio,
    AssistantCommand,
    CloseAssistant,
    ConfirmHeard,
    DropReply,
    EnterDigits,
    OpenAssistant,
    ReportTransfer,
    RunTool,
    SayText,
    SwitchToStandby,
    TellAssistant,
    TruncateReply,
    TypeDigit,
)
from bridge.vocabulary.contracts import Assistant, AssistantOutcome, Connect, Leg, LegMessage, Tools
from bridge.vocabulary.dispatch import on_bound
from bridge.vocabulary.errors import LimitExceeded, MalformedMessage
from bridge.vocabulary.events import (
    AssistantEvent,
    AssistantFailed,
    AssistantReady,
    Event,
    LegLost,
    LegName,
    MessageRefused,
    ReplyAudio,
    ToolAnswered,
    ToolCalled,
    Word,
)

FAULT = "a fault in the assistant"
"""The reason of a loss after an exception in an assistant's code."""

FAULT_AGAIN_S = 30.0
"""A second exception of one assistant within so long is likely to be followed by a third: it is not opened again."""

MOST_MALFORMED = 1_000
"""An assistant that has sent so many malformed messages is closed with the next one."""

log = structlog.get_logger()


class NoLeg:
    """The leg of an assistant in this process: it returns events alone, and has no peer to send anything to."""

    stalled = False

    def send(self, message: object) -> None:
        """Raises TypeError."""
        raise TypeError(f"an assistant in this process sends no messages: {type(message).__name__}")

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Nothing to close."""


def _ignore_event(_event: Event, _now: float) -> None:
    """The call is over."""


def _ignore() -> None:
    """The call is over."""


class _Attached:
    """One assistant, from its opening to its end; the tools that it called may run on."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.assistant: Assistant
        self.leg: Leg[Any]
        self.tools: Tools
        self.malformed = 0
        """Messages that were refused."""
        self.incoming_item = ""
        """The item whose audio came last."""

    def dismiss(self) -> None:
        self.leg.close()


class AssistantSlot:
    """The assistants of one call: `active` has the call, `standby` is about to take over.

    `on_event` gets what they tell, with the time; `on_deadline_changed` is called when `deadline` may be another.
    `clock`: the session's, in seconds. `given`: is told of the caller's audio, also of what is left out. Commands are performed in a round of the call's engine, so that an event which
    comes of one only waits for its turn.
    """

    def __init__(
        self,
        connect: Connect,
        on_event: Callable[[Event, float], None],
        on_deadline_changed: Callable[[], None],
        clock: Callable[[], float],
        given: CallerSound | None = None,
    ) -> None:
        self.deadline_moved = False
        """Whether a deadline may have moved to an earlier time; set to False by whoever looks at all of them."""
        self._given = given
        self._connect = connect
        self._on_event = on_event
        self._on_deadline_changed = on_deadline_changed
        self._clock = clock
        self._call_id = ""
        self.active: _Attached | None = None
        self.standby: _Attached | None = None
        self._not_sent = 0
        self._faults: dict[str, float] = {}  # by assistant, when its code last raised an exception
        self._runs = ToolRuns(self._answer_tool)

    @property
    def performers(self) -> Mapping[type[Word], Perform]:
        """What performs each command to an assistant, and those about the slot itself."""
        return dict(
            [
                on_bound(AppendAudio, self.append),
                on_bound(OpenAssistant, self.open),
                on_bound(SwitchToStandby, self.switch_to_standby),
                on_bound(CloseAssistant, self.close),
                on_bound(RunTool, self.run_tool),
                on_bound(EnterDigits, self.enter),
                on_bound(TypeDigit, self.send_command),
                on_bound(TruncateReply, self.send_command),
                on_bound(DropReply, self.send_command),
                on_bound(ConfirmHeard, self.send_command),
                on_bound(AnswerTool, self.answer_tool),
                on_bound(ReportTransfer, self.send_command),
                on_bound(SayText, self.send_command),
                on_bound(TellAssistant, self.send_command),
            ]
        )

    def counts(self) -> dict[str, int]:
        """The caller's frames that were left out because the assistant reads too slowly, or none was there."""
        return {"not_sent_to_assistant": self._not_sent} if self._not_sent else {}

    # Commands

    def open(self, command: OpenAssistant, now: float) -> None:
        """Open an assistant: the active one if there is none, else the standby, in place of any other."""
        self._call_id = command.call_id
        if self.standby is not None:
            self.standby.dismiss()
            self.standby = None
        attached = _Attached(command.assistant)
        try:
            attached.assistant, attached.leg, attached.tools = self._connect(
                command, partial(self._receive, attached), partial(self._lose, attached)
            )
        except Exception:  # noqa: BLE001  # whatever is wrong in an assistant's code closes it, not the call
            leg = LegName.ASSISTANT if self.active is None else LegName.STANDBY
            final = self._report_fault(command.assistant, now)
            self._on_event(LegLost(leg, INTERNAL_ERROR, FAULT, final=final), now)
            return
        if self.active is None:
            self.active = attached
        else:
            self.standby = attached
        self._encode(attached, command, now)

    def close(self, command: CloseAssistant, now: float) -> None:
        """Tell the active assistant that the conversation is over, and close both."""
        active, standby = self.active, self.standby
        if active is not None:
            self._encode(active, command, now)
        self.active = self.standby = None
        for attached in (active, standby):
            if attached is not None:
                attached.dismiss()

    def switch_to_standby(self, _command: SwitchToStandby, _now: float) -> None:
        """Close the active assistant; the standby, if there is one, takes its place."""
        if self.standby is not None:
            if self.active is not None:
                self.active.dismiss()
            self.active, self.standby = self.standby, None

    def append(self, command: AppendAudio, now: float) -> None:
        """The caller's audio. An assistant that reads too slowly would get it too late: frames are left out instead.

        The hot path: one message alone, or the next piece of an item alone, moves no deadline; see `contracts.Assistant`.
        """
        given, active = self._given, self.active
        if given is not None:
            given.frames.append(command.audio)
            given.came.append(now)
            if len(given.frames) == MEASURED_FRAMES:
                given.measure()
        if active is None or active.leg.stalled:
            self._not_sent += 1
            return
        try:
            outcomes = active.assistant.encode(command, now)
            alone = outcomes[0] if len(outcomes) == 1 else None
            if isinstance(alone, (str, bytes)):
                active.leg.send(alone)
            elif type(alone) is ReplyAudio and alone.item == active.incoming_item:
                self._on_event(alone, now)
            else:
                self._deliver(active, outcomes, now)
        except Exception:  # noqa: BLE001  # as above
            self._fail(active)

    def enter(self, command: EnterDigits, now: float) -> None:
        """An entry from the keypad; one that is sensitive is kept for the tools."""
        self._runs.add(command)
        self.send_command(command, now)

    def send_command(self, command: AssistantCommand, now: float) -> None:
        """Any command without a method of its own: encode it for the active assistant."""
        if self.active is not None:
            self._encode(self.active, command, now)

    def run_tool(self, command: RunTool, _now: float) -> None:
        """Start a tool of the assistant that called it."""
        self._runs.run(command)

    def answer_tool(self, command: AnswerTool, now: float) -> None:
        """Give the active assistant the output of a tool."""
        self.send_command(self._runs.answer(command), now)

    def _answer_tool(self, event: ToolAnswered) -> None:
        self._on_event(event, self._clock())
        self._on_deadline_changed()

    def end(self) -> None:
        """The call is over, whether or not an assistant has it: stop the tools that still run."""
        self._runs.close()
        self._on_event, self._on_deadline_changed = _ignore_event, _ignore

    def _encode(self, attached: _Attached, command: AssistantCommand, now: float) -> None:
        try:
            self._deliver(attached, attached.assistant.encode(command, now), now)
        except Exception:  # noqa: BLE001  # as above
            self._fail(attached)

    # What the assistants tell

    def _receive(self, attached: _Attached, message: LegMessage) -> None:
        if attached is not self.active and attached is not self.standby:
            return  # it was closed
        now = self._clock()
        outcomes: Sequence[AssistantOutcome]
        try:
            outcomes = attached.assistant.decode(message, now)
        except MalformedMessage as error:
            outcomes = (MessageRefused(LegName.ASSISTANT, str(error)),)
        except LimitExceeded as error:
            self._drop(attached, str(error))
            return
        except Exception:  # noqa: BLE001  # as above
            self._fail(attached)
            return
        try:
            alone = outcomes[0] if len(outcomes) == 1 else None
            if type(alone) is ReplyAudio and attached is self.active and alone.item == attached.incoming_item:
                self._on_event(alone, now)  # as in `append`
            else:
                self._deliver(attached, outcomes, now)
        finally:
            if self.deadline_moved:
                self._on_deadline_changed()

    def _deliver(self, attached: _Attached, outcomes: Sequence[AssistantOutcome], now: float) -> None:
        self.deadline_moved = True
        for outcome in outcomes:
            if not isinstance(outcome, Word):
                attached.leg.send(outcome)
                continue
            if type(outcome) is ReplyAudio:
                attached.incoming_item = outcome.item
            elif type(outcome) is MessageRefused:
                attached.malformed += 1
            if attached is self.active:
                if isinstance(outcome, ToolCalled):
                    self._on_event(self._runs.called(outcome, attached.tools), now)
                else:
                    self._on_event(outcome, now)
            elif attached is self.standby:
                self._standby_event(attached, outcome, now)
        if attached.malformed > MOST_MALFORMED:
            self._drop(attached, f"more than {MOST_MALFORMED} malformed messages")

    def _standby_event(self, standby: _Attached, event: AssistantEvent, now: float) -> None:
        match event:
            case AssistantReady():
                self._on_event(structs.replace(event, is_standby=True), now)
            case AssistantFailed(why=why):
                self.standby = None
                standby.dismiss()
                self._on_event(LegLost(LegName.STANDBY, INTERNAL_ERROR, why), now)

    def _lose(self, attached: _Attached, code: int, reason: str, *, final: bool = False) -> None:
        if attached is self.active:
            self.active = None
            leg = LegName.ASSISTANT
            if self.standby is not None:
                self.standby.dismiss()
                self.standby = None
        elif attached is self.standby:
            self.standby = None
            leg = LegName.STANDBY
        else:
            return  # it was closed
        try:
            lost = LegLost(leg, code, reason, retry_after.from_text(reason), final)
            self._on_event(lost, self._clock())
        finally:
            self._on_deadline_changed()

    def _fail(self, attached: _Attached) -> None:
        """An exception in its dialect: its leg is closed with it."""
        final = self._report_fault(attached.name, self._clock())
        attached.leg.close()
        self._lose(attached, INTERNAL_ERROR, FAULT, final=final)

    def _drop(self, attached: _Attached, reason: str) -> None:
        """It sent what a call cannot keep: its leg is closed, which is a loss as any other."""
        attached.leg.close(POLICY_VIOLATION, reason)
        self._lose(attached, POLICY_VIOLATION, reason)

    def _report_fault(self, name: str, now: float) -> bool:
        """Log the exception in this assistant's code. Returns whether opening it again is likely to bring the next one."""
        log.exception("= the assistant failed", call_id=self._call_id)
        before, self._faults[name] = self._faults.get(name), now
        return before is not None and now - before < FAULT_AGAIN_S

    # Time

    def deadline(self) -> float | None:
        """When `fall_due` wants to be called, at the latest; asked after each command and each message."""
        if self.standby is None:
            return None if self.active is None else self.active.assistant.deadline()
        attached = (self.active, self.standby)
        due = [attached.assistant.deadline() for attached in attached if attached is not None]
        return min([at for at in due if at is not None], default=None)

    def fall_due(self, now: float) -> None:
        """Have both assistants do what has fallen due by `now`."""
        for attached in (self.active, self.standby):
            if attached is None:
                continue
            assistant = attached.assistant
            try:
                due = assistant.deadline()
                outcomes = assistant.due(now) if due is not None and due <= now else ()
            except Exception:  # noqa: BLE001  # as above
                self._fail(attached)
            else:
                self._deliver(attached, outcomes, now)
