"""The assistant's slot in a call: who has it, and who is about to take it over.

An assistant that is opened while another one has the slot is its standby: nothing of it is heard but that it is
ready, until the core seats it. What an assistant in here breaks costs it the slot, not the caller the call.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from msgspec import structs

from bridge.core.sensitive_entries import SensitiveEntries
from bridge.vocabulary.commands import (
    AppendAudio,
    AssistantCommand,
    CloseAssistant,
    EnterDigits,
    OpenAssistant,
    RunTool,
    SwitchToStandby,
)
from bridge.vocabulary.contracts import (
    Answer,
    Assistant,
    Connect,
    Leg,
    Message,
    Receive,
    Tools,
    Utterance,
)
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    Event,
    LegLost,
    LegName,
    MessageRefused,
    ToolAnswered,
    Word,
)

log = structlog.get_logger()


class MemoryLeg:
    """The leg to an assistant in this process: what its dialect sends is what it says."""

    stalled = False

    def __init__(self, receive: Receive) -> None:
        self.send = receive

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Nothing to close."""


class _Attached:
    """One assistant, from its opening to its end."""

    def __init__(self) -> None:
        self.assistant: Assistant
        self.leg: Leg
        self.tools: Tools

    def dismiss(self) -> None:
        self.tools.close()
        self.leg.close()


class AssistantSlot:
    """One call's. `take` gets what the assistant says; `moved` is called when `deadline` may be another."""

    def __init__(
        self,
        connect: Connect,
        take: Callable[[Event], None],
        moved: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._moved = moved
        self._connect = connect
        self._take = take
        self._clock = clock
        self._call = ""
        self._present: _Attached | None = None
        self._standby: _Attached | None = None
        self._not_sent = 0
        self._sensitive = SensitiveEntries()
        self.performs: Mapping[type[Word], Callable[[Any, float], None]] = {
            AppendAudio: self.append,
            OpenAssistant: self.open,
            SwitchToStandby: self.switch_to_standby,
            CloseAssistant: self.close,
            RunTool: self.run_tool,
            EnterDigits: self.enter,
        }
        """What is done here for which command; all others to an assistant are for `tell`."""

    def counts(self) -> dict[str, int]:
        """The caller's frames that an assistant read too slowly to be sent."""
        return {"not_sent_to_assistant": self._not_sent} if self._not_sent else {}

    # From the core

    def open(self, command: OpenAssistant, now: float) -> None:
        """A new assistant takes the slot, now if it is free."""
        self._call = command.call_id
        if self._standby is not None:
            self._standby.dismiss()
            self._standby = None
        attached = _Attached()
        try:
            attached.assistant, attached.leg, attached.tools = self._connect(
                command, partial(self._said, attached), partial(self._lost, attached)
            )
        except Exception:  # noqa: BLE001  # whatever is wrong in an assistant costs the assistant, not the caller
            self._report()
            leg = LegName.ASSISTANT if self._present is None else LegName.STANDBY
            self._take(LegLost(leg, 1011, "a fault in the assistant"))
            return
        if self._present is None:
            self._present = attached
        else:
            self._standby = attached
        self._tell(attached, command, now)

    def close(self, command: CloseAssistant, now: float) -> None:
        """The slot is free again, and nobody is about to take it."""
        present, standby = self._present, self._standby
        if present is not None:
            self._tell(present, command, now)
        self._present = self._standby = None
        for attached in (present, standby):
            if attached is not None:
                attached.dismiss()

    def switch_to_standby(self, _command: SwitchToStandby, _now: float) -> None:
        """It was ready, and now is the moment."""
        if self._standby is not None:
            if self._present is not None:
                self._present.dismiss()
            self._present, self._standby = self._standby, None

    def append(self, command: AppendAudio, now: float) -> None:
        """The caller's voice. An assistant that reads too slowly would hear it too late: it hears less instead."""
        present = self._present
        if present is None or present.leg.stalled:
            self._not_sent += 1
        else:
            self._tell(present, command, now)

    def enter(self, command: EnterDigits, now: float) -> None:
        """An entry; one that is sensitive is kept for the tools."""
        self._sensitive.add(command)
        self.tell(command, now)

    def tell(self, command: AssistantCommand, now: float) -> None:
        """Anything else."""
        if self._present is not None:
            self._tell(self._present, command, now)

    def run_tool(self, command: RunTool, _now: float) -> None:
        """Beside the call. What is sensitive is opened for the tool, and for nobody else."""
        if self._present is not None:
            opened = structs.replace(command, arguments=self._sensitive.reveal(command.arguments))
            self._present.tools.run(opened, partial(self._answered, command.tool_call_id))

    def _answered(self, call_id: str, output: str) -> None:
        self._take(ToolAnswered(call_id, self._sensitive.mask(output)))

    def _tell(self, attached: _Attached, command: AssistantCommand, now: float) -> None:
        leg = attached.leg
        try:
            for message in attached.assistant.encode(command, now):
                leg.send(message)
        except Exception:  # noqa: BLE001  # as above
            self._fail(attached)

    # From the assistant

    def _said(self, attached: _Attached, message: Message) -> None:
        if attached is not self._present and attached is not self._standby:
            return  # it was closed
        utterances: Sequence[Utterance | MessageRefused]
        try:
            utterances = attached.assistant.decode(message, self._clock())
        except MalformedMessage as error:
            utterances = (MessageRefused(LegName.ASSISTANT, str(error)),)
        except Exception:  # noqa: BLE001  # as above
            self._fail(attached)
            return
        self._hear(attached, utterances)
        self._moved()

    def _hear(self, attached: _Attached, utterances: Sequence[Utterance | MessageRefused]) -> None:
        for utterance in utterances:
            if isinstance(utterance, Answer):
                attached.leg.send(utterance.message)
            elif attached is self._present:
                self._take(utterance)
            elif attached is self._standby:
                self._standby_event(attached, utterance)

    def _standby_event(self, standby: _Attached, utterance: Event) -> None:
        match utterance:
            case AssistantReady():
                self._take(structs.replace(utterance, is_standby=True))
            case AssistantFailed(why=why):
                self._standby = None
                standby.dismiss()
                self._take(LegLost(LegName.STANDBY, 1011, why))

    def _lost(self, attached: _Attached, code: int, reason: str) -> None:
        if attached is self._present:
            self._present = None
            leg = LegName.ASSISTANT
            if self._standby is not None:
                self._standby.dismiss()
                self._standby = None
        elif attached is self._standby:
            self._standby = None
            leg = LegName.STANDBY
        else:
            return  # it was closed
        attached.tools.close()
        self._take(LegLost(leg, code, reason))

    def _fail(self, attached: _Attached) -> None:
        """An exception in its dialect: its leg goes with it."""
        self._report()
        attached.leg.close()
        self._lost(attached, 1011, "a fault in the assistant")

    def _report(self) -> None:
        log.exception("= the assistant failed", call_id=self._call)

    # The clock

    def deadline(self) -> float | None:
        """When `fall_due` wants to be called next; asked after each word."""
        if self._standby is None:
            return None if self._present is None else self._present.assistant.deadline()
        attached = (self._present, self._standby)
        due = [attached.assistant.deadline() for attached in attached if attached is not None]
        return min([at for at in due if at is not None], default=None)

    def fall_due(self) -> None:
        """What is due by now."""
        now = self._clock()
        for attached in (self._present, self._standby):
            if attached is None:
                continue
            assistant = attached.assistant
            try:
                due = assistant.deadline()
                utterances = assistant.due(now) if due is not None and due <= now else ()
            except Exception:  # noqa: BLE001  # as above
                self._fail(attached)
            else:
                self._hear(attached, utterances)
