"""A room of the caller, ann, the assistant and a supervisor, in virtual time; and what an operator asks for there."""

from bridge.core.states import State
from bridge.vocabulary.commands import (
    Command,
)
from bridge.vocabulary.operator import (
    HoldRequested,
    MuteRequested,
)
from bridge.vocabulary.people import (
    BriefingStarted,
    PersonAccepted,
    PersonAnswered,
    TransferRequested,
)
from bridge.vocabulary.room import Member, MemberAudio, MemberJoined
from bridge.vocabulary.supervision import SuperviseRequested, SupervisorRole
from telecodecs.format import PCMU_8K
from tests.core.joined import CAN, LISTEN, MUSIC, QUIET, SILENCE, Supervised

HOLD, UNHOLD = HoldRequested(on=True), HoldRequested(on=False)
CALLER, PERSON, ASSISTANT, SUPERVISOR = Member
MUTE, UNMUTE = MuteRequested("caller", muted=True), MuteRequested("caller", muted=False)
ALONE = MuteRequested("assistant", muted=True)


def in_room(
    role: SupervisorRole | None = None, *, to: str = "", can: frozenset[type[Command]] = CAN
) -> Supervised:
    """The caller, ann, whom the assistant has put the caller through to, the assistant, which talks, and a supervisor."""
    call = Supervised(can=can)
    if role is not None:
        call.joins(LISTEN)
        call.lasts(QUIET[:10], QUIET[:10])
    call.feed(TransferRequested("ann", tool_call_id="t1"), PersonAnswered("B1", "+15550111"))
    call.feed(BriefingStarted("B1"), PersonAccepted("B1"), MemberJoined(PERSON, "B1", PCMU_8K))
    if role is not None:
        call.feed(SuperviseRequested("desk", role, to))
    assert call.call.state is State.IN_ROOM
    call.did.clear()
    return call


def ann_says(call: Supervised, said: list[bytes]) -> None:
    """While the caller and the supervisor are quiet."""
    for frame in said:
        call.feed(MemberAudio(PERSON, "B1", frame, round(call.now * 1000)))
        call.lasts([SILENCE], [SILENCE])


def is_music(heard: bytes) -> bool:
    return bool(heard) and not heard.strip(MUSIC[:1])
