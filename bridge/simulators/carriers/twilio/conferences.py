"""The conferences of the simulated Twilio: participants, their roles, callbacks, and the resources of the REST API.

Wire: Twilio, "TwiML Voice: <Conference>", "Conference resource", "Conference Participant resource". Times are Unix
seconds, passed in. Whose call ends or goes on after a conference is decided by `progress`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.simulators.carriers.room import MUSIC, Member, hearing
from bridge.simulators.carriers.twilio.actions import SendCallback
from bridge.simulators.carriers.twilio.calls import TwilioCall, written
from bridge.simulators.carriers.twilio.checks import NOT_FOUND, TwilioRefusal, is_true
from bridge.simulators.carriers.twilio.media import new_sid
from bridge.simulators.carriers.voice_documents import Conference

ANSWERED_HOLD = {
    "Hold": "on_hold",
    "Muted": "muted",
    "Coaching": "coaching",
    "EndConferenceOnExit": "ends_on_exit",
}
"""Fields of an update that are true or false, and the fields of a `Participant`."""


@dataclass(slots=True, eq=False)
class Participant:
    """One participant. `coach_sid`: the only call that hears this one while `coaching`."""

    call: TwilioCall
    label: str
    muted: bool
    starts_on_enter: bool
    ends_on_exit: bool
    coaching: bool
    coach_sid: str
    wait_url: str | None
    on_hold: bool = False
    hold_url: str = ""


@dataclass(slots=True, eq=False)
class Room:
    """One conference. `url`, `events`: of its status callback, which the first participant names."""

    name: str
    account_sid: str
    url: str
    events: tuple[str, ...]
    began: float
    sid: str = field(default_factory=lambda: new_sid("CF"))
    status: str = "init"
    participants: dict[str, Participant] = field(default_factory=dict)
    callbacks: int = 0
    reason: str | None = None
    ending_sid: str | None = None

    def resource(self) -> dict[str, Any]:
        """The conference as the REST API returns it."""
        uri = f"/2010-04-01/Accounts/{self.account_sid}/Conferences/{self.sid}.json"
        return {
            "sid": self.sid,
            "account_sid": self.account_sid,
            "api_version": "2010-04-01",
            "friendly_name": self.name,
            "status": self.status,
            "region": "us1",
            "reason_conference_ended": self.reason,
            "call_sid_ending_conference": self.ending_sid,
            "date_created": written(self.began),
            "date_updated": written(self.began),
            "uri": uri,
            "subresource_uris": {},
        }

    def participant_resource(self, one: Participant) -> dict[str, Any]:
        """A participant as the REST API returns it."""
        uri = (
            f"/2010-04-01/Accounts/{self.account_sid}/Conferences/{self.sid}/Participants/{one.call.sid}.json"
        )
        return {
            "account_sid": self.account_sid,
            "call_sid": one.call.sid,
            "label": one.label or None,
            "call_sid_to_coach": one.coach_sid or None,
            "coaching": one.coaching,
            "conference_sid": self.sid,
            "date_created": written(self.began),
            "date_updated": written(self.began),
            "end_conference_on_exit": one.ends_on_exit,
            "muted": one.muted,
            "hold": one.on_hold,
            "start_conference_on_enter": one.starts_on_enter,
            "status": "connected" if one.call.sid in self.participants else "queued",
            "queue_time": "1000",
            "uri": uri,
        }

    def members(self) -> dict[str, Member]:
        """Each participant's place. Before the conference has begun each one waits alone."""
        return {
            sid: Member(
                one.muted,
                one.on_hold or self.status == "init",
                frozenset({one.coach_sid}) if one.coaching else None,
                "" if self.status == "init" and one.wait_url == "" else MUSIC,
            )
            for sid, one in self.participants.items()
        }


class Conferences:
    """The conferences of one account, by sid."""

    def __init__(self, account_sid: str) -> None:
        self.rooms: dict[str, Room] = {}
        self._account_sid = account_sid

    def find(self, name: str) -> Room:
        """The conference of this sid, or the one under way of this name. Raises `TwilioRefusal`."""
        for room in self.rooms.values():
            if room.sid == name or (room.name == name and room.status != "completed"):
                return room
        raise TwilioRefusal(404, NOT_FOUND, f"The requested resource /Conferences/{name} was not found.")

    def open(self, wanted: Conference, now: float) -> Room:
        """The conference of this name; a new one if there is none."""
        for room in self.rooms.values():
            if room.name == wanted.name and room.status != "completed":
                return room
        room = Room(wanted.name, self._account_sid, wanted.status_callback, wanted.events, now)
        self.rooms[room.sid] = room
        return room

    def join(self, call: TwilioCall, wanted: Conference, now: float) -> list[SendCallback]:
        """A call enters. The conference begins with its second participant, if one of them starts it."""
        room = self.open(wanted, now)
        call.room = room.sid
        one = room.participants[call.sid] = participant(call, wanted)
        told: list[SendCallback] = []
        starts = any(other.starts_on_enter for other in room.participants.values())
        if room.status == "init" and len(room.participants) > 1 and starts:
            room.status = "in-progress"
            told += self._callback(room, "start", "conference-start", now)
        return told + self._callback(room, "join", "participant-join", now, one)

    def leave(
        self, call: TwilioCall, now: float, why: str = "participant_hung_up"
    ) -> tuple[list[SendCallback], list[TwilioCall]]:
        """A call leaves. Returns the callbacks, and the calls that leave because the conference ends with it."""
        room = self.rooms[call.room]
        call.room = ""
        one = room.participants.pop(call.sid)
        kicked = why == "participant_updated_via_api"
        told = self._callback(
            room,
            "leave",
            "participant-leave",
            now,
            one,
            ReasonParticipantLeft=why,
            ParticipantCallStatus=call.status.value,
        )
        exit_word = "kicked" if kicked else "left"
        if one.ends_on_exit:
            return self._ended(
                room, f"participant-with-end-conference-on-exit-{exit_word}", now, told, call.sid
            )
        if not room.participants:
            return self._ended(room, f"last-participant-{exit_word}", now, told, call.sid)
        return told, []

    def end(self, room: Room, now: float) -> tuple[list[SendCallback], list[TwilioCall]]:
        """The conference is ended by a request. Returns the callbacks, and the calls that leave."""
        return self._ended(room, "conference-ended-via-api", now, [], "")

    def update(
        self, room: Room, one: Participant, fields: Mapping[str, str], now: float
    ) -> list[SendCallback]:
        """Change a participant; the fields are checked."""
        told: list[SendCallback] = []
        before = one.on_hold, one.muted
        for name, attribute in ANSWERED_HOLD.items():
            if name in fields:
                setattr(one, attribute, is_true(fields[name]))
        one.hold_url = fields.get("HoldUrl", one.hold_url)
        one.coach_sid = fields.get("CallSidToCoach", one.coach_sid)
        if one.on_hold != before[0]:
            told += self._callback(
                room, "hold", f"participant-{'hold' if one.on_hold else 'unhold'}", now, one
            )
        if one.muted != before[1]:
            told += self._callback(room, "mute", f"participant-{'mute' if one.muted else 'unmute'}", now, one)
        return told or self._callback(room, "modify", "participant-modify", now, one)

    def hearing(self) -> dict[str, frozenset[str]]:
        """What each participant of each conference hears."""
        return {sid: heard for room in self.rooms.values() for sid, heard in hearing(room.members()).items()}

    def _ended(
        self, room: Room, reason: str, now: float, told: list[SendCallback], by: str
    ) -> tuple[list[SendCallback], list[TwilioCall]]:
        room.status, room.reason, room.ending_sid = "completed", reason, by or None
        why = "conference_ended_via_api" if not by else "moderator_ended_conference"
        left = [*room.participants.values()]
        room.participants.clear()
        for one in left:
            one.call.room = ""
            told += self._callback(room, "leave", "participant-leave", now, one, ReasonParticipantLeft=why)
        extra = {"ReasonConferenceEnded": reason} | ({"CallSidEndingConference": by} if by else {})
        told += self._callback(room, "end", "conference-end", now, None, **extra)
        return told, [one.call for one in left]

    def _callback(
        self, room: Room, event: str, kind: str, now: float, one: Participant | None = None, **extra: str
    ) -> list[SendCallback]:
        if not room.url or event not in room.events:
            return []
        form = {
            "ConferenceSid": room.sid,
            "FriendlyName": room.name,
            "AccountSid": room.account_sid,
            "SequenceNumber": str(room.callbacks + 1),
            "Timestamp": written(now),
            "StatusCallbackEvent": kind,
        }
        if one is not None:
            form |= {
                "CallSid": one.call.sid,
                "ParticipantLabel": one.label,
                "Muted": str(one.muted).lower(),
                "Hold": str(one.on_hold).lower(),
                "Coaching": str(one.coaching).lower(),
                "EndConferenceOnExit": str(one.ends_on_exit).lower(),
                "StartConferenceOnEnter": str(one.starts_on_enter).lower(),
            }
        room.callbacks += 1
        return [SendCallback(room.url, "POST", form | extra)]


def participant(call: TwilioCall, wanted: Conference) -> Participant:
    """The participant that a call becomes when it joins this conference."""
    return Participant(
        call,
        wanted.label,
        wanted.muted,
        wanted.starts_on_enter,
        wanted.ends_on_exit,
        bool(wanted.coach),
        wanted.coach,
        wanted.wait_url,
    )
