"""How far a handover has come; `handover` draws the way from one phase to the next."""

from enum import StrEnum


class Phase(StrEnum):
    """How far a handover has come."""

    PARTING = "parting"
    """The caller hears the assistant's last words."""
    RINGING = "ringing"
    ELSEWHERE = "elsewhere"
    """The carrier has the caller, in a queue of its own, or refers them to another line."""
    BRIEFING = "briefing"
    JOINING = "joining"
    WITH_PERSON = "with person"
    LEAVING = "leaving"
    """The caller is gone, and the person who is being briefed is told so."""
    OVER = "over"
