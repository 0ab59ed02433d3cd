"""Decides who hears whom where parties are together: two legs, a conference, supervisors. No audio is touched here.

Wire: Twilio, "TwiML Voice: <Conference>", "Conference Participant resource"; Telnyx, "Conference commands",
"Switch supervisor role". The words of both carriers come down to the three fields of a `Member`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

RINGBACK = "@ringback"
"""The source that a party hears while another one is called."""

MUSIC = "@music"
"""The source that a party hears who waits or is on hold."""


@dataclass(slots=True)
class Member:
    """A party's place in a room."""

    muted: bool = False
    """Nobody hears this party: mute, and a supervisor who monitors."""
    on_hold: bool = False
    """This party hears `hold_source` alone, and nobody hears this party."""
    whispers_to: frozenset[str] | None = None
    """The only ones who hear this party: a coach, a supervisor who whispers. None: all do."""
    hold_source: str = MUSIC
    """What a party on hold hears; empty: silence."""


class Audible(NamedTuple):
    """What a carrier's account says about sound at one moment."""

    legs: Mapping[str, str]
    """The calls that are answered and not over: id of the call, number or address of its party."""
    heard: Mapping[str, frozenset[str]]
    """What each leg hears: ids of other legs, and the sources `RINGBACK` and `MUSIC`. Streams are not in it."""


def hearing(members: Mapping[str, Member]) -> dict[str, frozenset[str]]:
    """What each party of a room hears."""
    return {listener: _heard_by(listener, members) for listener in members}


def _heard_by(listener: str, members: Mapping[str, Member]) -> frozenset[str]:
    own = members[listener]
    if own.on_hold:
        return frozenset({own.hold_source} - {""})
    return frozenset(
        name
        for name, member in members.items()
        if name != listener
        and not member.muted
        and not member.on_hold
        and (member.whispers_to is None or listener in member.whispers_to)
    )
