"""An assistant whose code raises an exception is opened again once; soon after that it is given up."""

import pytest

from bridge.assistants.echo import Echo
from bridge.shell.assistant_slot import FAULT, FAULT_AGAIN_S, AssistantSlot, NoLeg
from bridge.shell.close_frames import INTERNAL_ERROR
from bridge.tools.toolbox import Toolbox
from bridge.vocabulary.commands import AssistantCommand, OpenAssistant
from bridge.vocabulary.contracts import Connection, Lost, Receive
from bridge.vocabulary.events import AssistantEvent, Event, LegLost, LegName
from telecodecs.format import PCMU_8K


class Broken(Echo):
    def encode(self, command: AssistantCommand, now: float) -> list[AssistantEvent]:
        raise ZeroDivisionError


def connect(_command: OpenAssistant, _receive: Receive, _lost: Lost) -> Connection:
    return Connection(Broken(), NoLeg(), Toolbox("", {}).open(call_id="CA1", parameters={}))


@pytest.mark.parametrize(("again_at", "final"), [(FAULT_AGAIN_S - 1, True), (FAULT_AGAIN_S, False)])
def test_a_second_exception_soon_after_the_first_is_final(*, again_at: float, final: bool) -> None:
    now, losses = 0.0, list[Event]()
    slot = AssistantSlot(connect, lambda event, _: losses.append(event), lambda: None, lambda: now)
    for now, name in ((0.0, "ann"), (0.0, "bob"), (again_at, "ann")):
        slot.open(OpenAssistant("CA1", PCMU_8K, {}, name), now)
    once = LegLost(LegName.ASSISTANT, INTERNAL_ERROR, FAULT)
    assert losses == [once, once, LegLost(LegName.ASSISTANT, INTERNAL_ERROR, FAULT, final=final)]
