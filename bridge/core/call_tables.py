"""What each event means to a call in each state, and each timer that falls due: rows for the methods of `Call`.

They are made for a class, so that a kind of call with other methods, or with further rows, has tables of its own.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, get_args

from bridge.core.conversation import ANY_TIME, TALKING, Read
from bridge.core.states import State
from bridge.core.timers import REASONS, Timer
from bridge.vocabulary.commands import Command, HangUp
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    AssistantReportedError,
    CallEnded,
    CallerAudio,
    CallStarted,
    CarrierReportedError,
    CloseRequested,
    DigitPressed,
    Event,
    GoodbyeRequested,
    Ignored,
    LegLost,
    MarkReached,
    MessageRefused,
    OtherPartyAudio,
    TimePassed,
    TokensUsed,
    Word,
)

if TYPE_CHECKING:
    from bridge.core.call import Call

Reads = dict[type[Word], Callable[[Any, Any, float], list[Command]]]
"""What events mean to the call."""

ReadsByState = dict[State, tuple[Reads, Mapping[type[Word], Read]]]
"""For each state what an event means to the call, and what those mean to the conversation that the call lacks."""

FallsDue = dict[Timer, Callable[[Any, float], list[Command]]]


def any_state(call: "type[Call]") -> Reads:
    """What events mean in any state."""
    return dict(
        [
            on(TimePassed, call._nothing),
            on(Ignored, call._ignored),
            on(MessageRefused, call._refused),
            on(CarrierReportedError, call._carrier_error),
        ]
    )


def too_late(call: "type[Call]") -> Reads:
    """No event but the start of a stream means anything: all of it comes too late."""
    return dict(on(kind, call._nothing) for kind in get_args(Event) if kind is not CallStarted) | any_state(
        call
    )


def reads(call: "type[Call]") -> ReadsByState:
    """The table of this class of calls."""
    waiting: Reads = any_state(call) | dict(
        [
            on(Ignored, call._nothing),  # a carrier's greeting
            on(CallStarted, call._start),
            on(CallEnded, call._call_ended),
            on(LegLost, call._lost_before_start),
            on(CloseRequested, call._end_requested),
            on(GoodbyeRequested, call._end_requested),
        ]
    )
    listening: Reads = any_state(call) | dict(
        [
            on(CallerAudio, call._heard),
            on(OtherPartyAudio, call._heard),
            on(DigitPressed, call._heard),
            on(CallEnded, call._call_ended),
            on(LegLost, call._carrier_lost),
            on(CloseRequested, call._end_requested),
            on(GoodbyeRequested, call._end_requested),
        ]
    )
    opening: Reads = any_state(call) | dict(
        [
            on(CallerAudio, call._caller_audio),
            on(OtherPartyAudio, call._heard),
            on(DigitPressed, call._pressed),
            on(MarkReached, call._mark_reached),
            on(AssistantReady, call._ready),
            on(AssistantFailed, call._failed),
            on(AssistantReportedError, call._assistant_error),
            on(CallStarted, call._stream_resumed),
            on(CallEnded, call._call_ended),
            on(LegLost, call._leg_lost),
            on(CloseRequested, call._close_requested),
            on(GoodbyeRequested, call._goodbye_requested),
        ]
    )
    talking: Reads = opening | dict([on(TokensUsed, call._nothing)])
    closing: Reads = too_late(call) | dict(
        [
            on(CallerAudio, call._heard),
            on(MarkReached, call._closing_mark),
            on(CallEnded, call._call_ended),
            on(LegLost, call._carrier_lost),
        ]
    )
    return {
        State.WAITING: (waiting, {}),
        State.OPENING: (opening, ANY_TIME),
        State.TALKING: (talking, ANY_TIME | TALKING),
        State.LISTENING: (listening, {}),
        State.CLOSING: (closing, {}),
        State.ENDED: (dict(on(kind, call._nothing) for kind in get_args(Event)), {}),
    }


def falls_due(call: "type[Call]") -> FallsDue:
    """What this class of calls does at each timer."""
    return {
        Timer.START: lambda one, now: one._end(HangUp(1008, REASONS[Timer.START]), now),
        Timer.RESUME: lambda one, now: one._end(HangUp(1008, REASONS[Timer.RESUME]), now),
        Timer.OPEN: call._open_due,
        Timer.RETRY: lambda one, now: one._dialogue.retry_due(now),
        Timer.WAITING: lambda one, now: one._dialogue.conversation.waiting_signal.due(now),
        Timer.RENEW: lambda one, now: one._dialogue.renew_due(now),
        Timer.KEYPAD: lambda one, now: one._dialogue.conversation.entry_due(now),
        Timer.TOP_UP: lambda one, now: one._dialogue.conversation.voice.top_up(now),
        Timer.MISSING_FRAME: lambda one, _now: one._dialogue.caller.give_up_frame(),
        Timer.PAUSE: call._pause_due,
        Timer.SILENT: call._silent_due,
        Timer.GOODBYE: call._goodbye_due,
        Timer.CLOSE: lambda one, now: one._end(one._hang_up, now),
        Timer.LONGEST: call._longest_due,
    }
