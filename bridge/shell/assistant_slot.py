"""The assistant's seat in a call: who has it, and who is about to take it over.

An assistant that is opened while another one has the seat is its successor: nothing of it is heard but that it is
ready, until the heart seats it. What an assistant in here breaks costs it the seat, not the caller the call.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from msgspec import structs

from bridge.core.sensitive_entries import SealedEntries
from bridge.vocabulary.commands import (
    AppendAudio,
    AssistantCommand,
    CloseAssistant,
    EnterDigits,
    OpenAssistant,
    RunTool,
    SeatSuccessor,
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


class _Sitter:
    """One assistant, from its opening to its end."""

    def __init__(self) -> None:
        self.assistant: Assistant
        self.leg: Leg
        self.tools: Tools

    def dismiss(self) -> None:
        self.tools.close()
        self.leg.close()


class Seat:
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
        self._present: _Sitter | None = None
        self._successor: _Sitter | None = None
        self._not_sent = 0
        self._sealed = SealedEntries()
        self.performs: Mapping[type[Word], Callable[[Any, float], None]] = {
            AppendAudio: self.append,
            OpenAssistant: self.open,
            SeatSuccessor: self.seat_successor,
            CloseAssistant: self.close,
            RunTool: self.run_tool,
            EnterDigits: self.enter,
        }
        """What is done here for which command; all others to an assistant are for `tell`."""

    def counts(self) -> dict[str, int]:
        """The caller's frames that an assistant read too slowly to be sent."""
        return {"not_sent_to_assistant": self._not_sent} if self._not_sent else {}

    # From the heart

    def open(self, command: OpenAssistant, now: float) -> None:
        """A new assistant takes the seat, now if it is free."""
        self._call = command.call
        if self._successor is not None:
            self._successor.dismiss()
            self._successor = None
        sitter = _Sitter()
        try:
            sitter.assistant, sitter.leg, sitter.tools = self._connect(
                command, partial(self._said, sitter), partial(self._lost, sitter)
            )
        except Exception:  # noqa: BLE001  # whatever is wrong in an assistant costs the assistant, not the caller
            self._report()
            leg = LegName.ASSISTANT if self._present is None else LegName.SUCCESSOR
            self._take(LegLost(leg, 1011, "a fault in the assistant"))
            return
        if self._present is None:
            self._present = sitter
        else:
            self._successor = sitter
        self._tell(sitter, command, now)

    def close(self, command: CloseAssistant, now: float) -> None:
        """The seat is free again, and nobody is about to take it."""
        present, successor = self._present, self._successor
        if present is not None:
            self._tell(present, command, now)
        self._present = self._successor = None
        for sitter in (present, successor):
            if sitter is not None:
                sitter.dismiss()

    def seat_successor(self, _command: SeatSuccessor, _now: float) -> None:
        """It was ready, and now is the moment."""
        if self._successor is not None:
            if self._present is not None:
                self._present.dismiss()
            self._present, self._successor = self._successor, None

    def append(self, command: AppendAudio, now: float) -> None:
        """The caller's voice. An assistant that reads too slowly would hear it too late: it hears less instead."""
        present = self._present
        if present is None or present.leg.stalled:
            self._not_sent += 1
        else:
            self._tell(present, command, now)

    def enter(self, command: EnterDigits, now: float) -> None:
        """An entry; one that is sealed is kept for the tools."""
        self._sealed.add(command)
        self.tell(command, now)

    def tell(self, command: AssistantCommand, now: float) -> None:
        """Anything else."""
        if self._present is not None:
            self._tell(self._present, command, now)

    def run_tool(self, command: RunTool, _now: float) -> None:
        """Beside the call. What is sealed is opened for the tool, and for nobody else."""
        if self._present is not None:
            opened = structs.replace(command, arguments=self._sealed.opened(command.arguments))
            self._present.tools.run(opened, partial(self._answered, command.call))

    def _answered(self, call: str, output: str) -> None:
        self._take(ToolAnswered(call, self._sealed.closed(output)))

    def _tell(self, sitter: _Sitter, command: AssistantCommand, now: float) -> None:
        leg = sitter.leg
        try:
            for message in sitter.assistant.encode(command, now):
                leg.send(message)
        except Exception:  # noqa: BLE001  # as above
            self._fail(sitter)

    # From the assistant

    def _said(self, sitter: _Sitter, message: Message) -> None:
        if sitter is not self._present and sitter is not self._successor:
            return  # it was closed
        utterances: Sequence[Utterance | MessageRefused]
        try:
            utterances = sitter.assistant.decode(message, self._clock())
        except MalformedMessage as error:
            utterances = (MessageRefused(LegName.ASSISTANT, str(error)),)
        except Exception:  # noqa: BLE001  # as above
            self._fail(sitter)
            return
        self._hear(sitter, utterances)
        self._moved()

    def _hear(self, sitter: _Sitter, utterances: Sequence[Utterance | MessageRefused]) -> None:
        for utterance in utterances:
            if isinstance(utterance, Answer):
                sitter.leg.send(utterance.message)
            elif sitter is self._present:
                self._take(utterance)
            elif sitter is self._successor:
                self._hear_successor(sitter, utterance)

    def _hear_successor(self, successor: _Sitter, utterance: Event) -> None:
        match utterance:
            case AssistantReady():
                self._take(structs.replace(utterance, is_successor=True))
            case AssistantFailed(why=why):
                self._successor = None
                successor.dismiss()
                self._take(LegLost(LegName.SUCCESSOR, 1011, why))

    def _lost(self, sitter: _Sitter, code: int, reason: str) -> None:
        if sitter is self._present:
            self._present = None
            leg = LegName.ASSISTANT
            if self._successor is not None:
                self._successor.dismiss()
                self._successor = None
        elif sitter is self._successor:
            self._successor = None
            leg = LegName.SUCCESSOR
        else:
            return  # it was closed
        sitter.tools.close()
        self._take(LegLost(leg, code, reason))

    def _fail(self, sitter: _Sitter) -> None:
        """An exception in its dialect: its leg goes with it."""
        self._report()
        sitter.leg.close()
        self._lost(sitter, 1011, "a fault in the assistant")

    def _report(self) -> None:
        log.exception("= the assistant failed", call=self._call)

    # The clock

    def deadline(self) -> float | None:
        """When `fall_due` wants to be called next; asked after each word."""
        if self._successor is None:
            return None if self._present is None else self._present.assistant.deadline()
        sitters = (self._present, self._successor)
        due = [sitter.assistant.deadline() for sitter in sitters if sitter is not None]
        return min([at for at in due if at is not None], default=None)

    def fall_due(self) -> None:
        """What is due by now."""
        now = self._clock()
        for sitter in (self._present, self._successor):
            if sitter is None:
                continue
            assistant = sitter.assistant
            try:
                due = assistant.deadline()
                utterances = assistant.due(now) if due is not None and due <= now else ()
            except Exception:  # noqa: BLE001  # as above
                self._fail(sitter)
            else:
                self._hear(sitter, utterances)
