"""What each event means to a call that can be put through to people: the tables of `Call`, with further rows.

They are made for a class, as those of `call_tables`.
"""

from typing import TYPE_CHECKING

from bridge.core.call_tables import FallsDue, Reads, ReadsByState, falls_due, reads, too_late
from bridge.core.conversation import ANY_TIME
from bridge.core.on_hold import ON_HOLD
from bridge.core.states import State
from bridge.core.timers import Timer
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReportedError,
    CallEnded,
    CallerAudio,
    CallStarted,
    CloseRequested,
    DigitPressed,
    GoodbyeRequested,
    LegLost,
    MarkReached,
    OtherPartyAudio,
)
from bridge.vocabulary.people import (
    BriefingStarted,
    NobodyReached,
    PeopleJoined,
    PersonAccepted,
    PersonAnswered,
    PersonDeclined,
    PersonLeft,
    PersonRings,
    TransferRequested,
)

if TYPE_CHECKING:
    from bridge.core.people_call import PeopleCall

OF_PEOPLE = (
    *(PersonRings, PersonAnswered, NobodyReached, PeopleJoined, PersonLeft),
    *(BriefingStarted, PersonAccepted, PersonDeclined),
)
"""The events of people."""


def people_reads(call: "type[PeopleCall]") -> ReadsByState:
    """The table of this class of calls."""
    person: Reads = dict.fromkeys(OF_PEOPLE, call._person)
    talking: Reads = person | dict([on(TransferRequested, call._transfer_requested)])
    late = too_late(call)
    holding: Reads = {
        **{kind: read for kind, read in late.items() if kind not in ON_HOLD},
        **talking,
        **dict(
            [
                on(CallerAudio, call._heard),
                on(OtherPartyAudio, call._heard),
                on(DigitPressed, call._key_on_hold),
                on(MarkReached, call._mark_reached),
                on(AssistantFailed, call._failed_on_hold),
                on(AssistantReportedError, call._assistant_error),
                on(CallStarted, call._stream_resumed),
                on(CallEnded, call._call_ended),
                on(LegLost, call._leg_lost_on_hold),
                on(CloseRequested, call._close_on_hold),
                on(GoodbyeRequested, call._close_on_hold),
            ]
        ),
    }
    with_person: Reads = {
        **{kind: read for kind, read in late.items() if kind not in ANY_TIME},
        **person,
        **dict(
            [
                on(MarkReached, call._nothing),
                on(CallStarted, call._stream_resumed),
                on(CallEnded, call._call_ended),
                on(CloseRequested, call._leave_people),
                on(GoodbyeRequested, call._leave_people),
            ]
        ),
    }
    usual = reads(call)
    return {
        **usual,
        State.OPENING: (usual[State.OPENING][0] | person, usual[State.OPENING][1]),
        State.TALKING: (usual[State.TALKING][0] | talking, usual[State.TALKING][1]),
        State.HOLDING: (holding, ON_HOLD),
        State.WITH_PERSON: (with_person, ANY_TIME),
        State.CLOSING: (usual[State.CLOSING][0] | dict.fromkeys(OF_PEOPLE, call._late), {}),
    }


def people_falls_due(call: "type[PeopleCall]") -> FallsDue:
    """What this class of calls does at each timer."""
    return falls_due(call) | {
        Timer.RESUME: call._resume_due,
        Timer.PARTING: call._part_when_heard,
        Timer.HANDOVER: call._handover_due,
        Timer.HOLD: lambda one, now: one._dialogue.conversation.hold_music.due(now),
    }
