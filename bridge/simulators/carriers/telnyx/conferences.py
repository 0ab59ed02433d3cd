"""The conferences of the simulated Telnyx: commands, webhooks and who hears whom.

Wire: Telnyx, "Conference commands", "Conferences". Times are Unix seconds, passed in. What ends with a conference: the
command `end`, and a participant with `end_conference_on_exit`, hang up on all who are in it; with
`soft_end_conference_on_exit` they stay, parked.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.simulators.carriers.room import MUSIC, Member, hearing
from bridge.simulators.carriers.telnyx.actions import Action, DeliverWebhook, TelnyxRequest
from bridge.simulators.carriers.telnyx.bridges import Bridges, End
from bridge.simulators.carriers.telnyx.calls import CallState, TelnyxCall, written
from bridge.simulators.carriers.telnyx.checks import (
    ALREADY_JOINED,
    CALL_ENDED,
    CONFERENCE_ENDED,
    INVALID_CALL,
    INVALID_CONFERENCE,
    INVALID_VALUE,
    NOT_ANSWERED,
    TITLES,
    TelnyxRefusal,
)

PERFORMED: Mapping[str, Any] = {"data": {"result": "ok"}}


@dataclass(slots=True, eq=False)
class Participant:
    """One call in a conference."""

    call: TelnyxCall
    member: Member = field(default_factory=Member)
    ends_on_exit: bool = False
    soft_ends_on_exit: bool = False
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(slots=True, eq=False)
class Conference:
    """One conference."""

    name: str
    began: float
    hold_audio_url: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "in_progress"
    end_reason: str = ""
    participants: dict[str, Participant] = field(default_factory=dict)

    def resource(self) -> dict[str, Any]:
        """The conference as the REST API returns it."""
        return {
            "record_type": "conference",
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "end_reason": self.end_reason or None,
            "created_at": written(self.began),
            "expires_at": written(self.began + 4 * 3_600),
        }


class Conferences:
    """The conferences of one account. `end`: hangs up on a call."""

    def __init__(self, calls: Mapping[str, TelnyxCall], bridges: Bridges, end: End) -> None:
        self.all: dict[str, Conference] = {}
        self._calls = calls
        self._bridges = bridges
        self._end_call = end

    def hearing(self) -> dict[str, frozenset[str]]:
        """What each participant of each conference hears."""
        heard: dict[str, frozenset[str]] = {}
        for one in self.all.values():
            heard |= hearing({name: member.member for name, member in one.participants.items()})
        return heard

    def look(self, request: TelnyxRequest) -> Mapping[str, Any]:
        """Answer a request that changes nothing. Raises `TelnyxRefusal`."""
        if request.command == "conference_list":
            name, status = request.query.get("filter[name]"), request.query.get("filter[status]")
            found = [
                one.resource()
                for one in self.all.values()
                if name in (None, one.name) and status in (None, one.status)
            ]
            return {"data": found, "meta": _meta(len(found))}
        conference = self._find(request.conference_id)
        if request.command == "conference":
            return {"data": conference.resource()}
        members = [
            {
                "record_type": "participant",
                "id": one.id,
                "call_control_id": one.call.call_control_id,
                "call_leg_id": one.call.call_leg_id,
                "conference": {"id": conference.id, "name": conference.name},
                "muted": one.member.muted,
                "on_hold": one.member.on_hold,
                "status": "joined",
                "end_conference_on_exit": one.ends_on_exit,
                "soft_end_conference_on_exit": one.soft_ends_on_exit,
                "whisper_call_control_ids": sorted(one.member.whispers_to or ()),
            }
            for one in conference.participants.values()
        ]
        return {"data": members, "meta": _meta(len(members))}

    def perform(
        self, request: TelnyxRequest, body: dict[str, Any], now: float
    ) -> tuple[Mapping[str, Any], list[Action]]:
        """Perform a command with checked fields. Raises `TelnyxRefusal`."""
        if request.command == "conference_create":
            return self._create(body, now)
        conference = self._find(request.conference_id)
        if conference.status == "completed":
            raise TelnyxRefusal(CONFERENCE_ENDED, "The conference has ended.")
        known: dict[str, Callable[[Conference, dict[str, Any], float], list[Action]]] = {
            "conference_join": self._join,
            "conference_leave": self._leave,
            "conference_end": lambda one, _body, at: self._ended(one, "host_left", at, hangs_up=True),
            "conference_update": self._update,
            "conference_hold": self._hold,
            "conference_unhold": self._unhold,
            "conference_mute": lambda one, asked, _: self._mute(one, asked, muted=True),
            "conference_unmute": lambda one, asked, _: self._mute(one, asked, muted=False),
        }
        return PERFORMED, known[request.command](conference, body, now)

    def over(self, call: TelnyxCall, now: float) -> list[Action]:
        """A call is leaving its conference, if it is in one: it is over, or it is bridged."""
        conference = self.all.get(call.conference_id)
        return [] if conference is None else self._gone(conference, call, now)

    def _find(self, name: str) -> Conference:
        if name not in self.all:
            raise TelnyxRefusal(INVALID_CONFERENCE, TITLES[INVALID_CONFERENCE], status=404)
        return self.all[name]

    def _create(self, body: dict[str, Any], now: float) -> tuple[Mapping[str, Any], list[Action]]:
        call = self._call(body["call_control_id"])
        conference = Conference(body["name"], now, body.get("hold_audio_url", ""))
        self.all[conference.id] = conference
        told = self._event(conference, call, "conference.created", now)
        return {"data": conference.resource()}, [told, *self._enter(conference, call, body, now)]

    def _join(self, conference: Conference, body: dict[str, Any], now: float) -> list[Action]:
        return self._enter(conference, self._call(body["call_control_id"]), body, now)

    def _enter(
        self, conference: Conference, call: TelnyxCall, body: dict[str, Any], now: float
    ) -> list[Action]:
        if call.conference_id:
            raise TelnyxRefusal(ALREADY_JOINED, "The call has joined a conference already.")
        call.client_state = body.get("client_state", call.client_state)
        left = self._bridges.unbridge(call, now)
        call.conference_id = conference.id
        source = MUSIC if body.get("hold_audio_url") or conference.hold_audio_url else ""
        conference.participants[call.call_control_id] = Participant(
            call,
            Member(body.get("mute", False), body.get("hold", False), _whispers(body), source),
            body.get("end_conference_on_exit", False),
            body.get("soft_end_conference_on_exit", False),
        )
        if body.get("supervisor_role") == "monitor":
            conference.participants[call.call_control_id].member.muted = True
        return [*left, self._event(conference, call, "conference.participant.joined", now)]

    def _leave(self, conference: Conference, body: dict[str, Any], now: float) -> list[Action]:
        (one,) = self._members(conference, [body["call_control_id"]])
        return self._gone(conference, one.call, now)

    def _gone(self, conference: Conference, call: TelnyxCall, now: float) -> list[Action]:
        one = conference.participants.pop(call.call_control_id)
        call.conference_id = ""
        actions: list[Action] = [self._event(conference, call, "conference.participant.left", now)]
        if one.ends_on_exit or one.soft_ends_on_exit:
            return [*actions, *self._ended(conference, "host_left", now, hangs_up=one.ends_on_exit, by=call)]
        if not conference.participants:
            return [*actions, *self._ended(conference, "all_left", now, hangs_up=False, by=call)]
        return actions

    def _ended(
        self, conference: Conference, reason: str, now: float, *, hangs_up: bool, by: TelnyxCall | None = None
    ) -> list[Action]:
        left = [one.call for one in conference.participants.values()]
        conference.participants.clear()
        conference.status, conference.end_reason = "completed", reason
        actions: list[Action] = []
        for call in left:
            call.conference_id = ""
            actions.append(self._event(conference, call, "conference.participant.left", now))
        teller = by or (left[0] if left else None)
        if teller is not None:
            actions.append(self._event(conference, teller, "conference.ended", now, reason=reason))
        if hangs_up:
            actions += [act for call in left for act in self._end_call(call, "normal_clearing", now)]
        return actions

    def _update(self, conference: Conference, body: dict[str, Any], _now: float) -> list[Action]:
        (one,) = self._members(conference, [body["call_control_id"]])
        one.member.muted = body["supervisor_role"] == "monitor"
        one.member.whispers_to = _whispers(body)
        return []

    def _hold(self, conference: Conference, body: dict[str, Any], _now: float) -> list[Action]:
        plays = bool(body.keys() & {"audio_url", "media_name"} or conference.hold_audio_url)
        for one in self._members(conference, body.get("call_control_ids", [])):
            one.member.on_hold, one.member.hold_source = True, MUSIC if plays else ""
        return []

    def _unhold(self, conference: Conference, body: dict[str, Any], _now: float) -> list[Action]:
        if not body["call_control_ids"]:
            raise TelnyxRefusal(
                INVALID_VALUE, "call_control_ids: should name at least one", field="call_control_ids"
            )
        for one in self._members(conference, body["call_control_ids"]):
            one.member.on_hold = False
        return []

    def _mute(self, conference: Conference, body: dict[str, Any], *, muted: bool) -> list[Action]:
        for one in self._members(conference, body.get("call_control_ids", [])):
            one.member.muted = muted
        return []

    def _members(self, conference: Conference, names: list[str]) -> list[Participant]:
        """The participants of these calls; without names all of them."""
        for name in names:
            if name not in conference.participants:
                raise TelnyxRefusal(
                    INVALID_CALL, "The call is not in this conference.", field="call_control_ids"
                )
        return [conference.participants[name] for name in names or conference.participants]

    def _call(self, name: str) -> TelnyxCall:
        if name not in self._calls:
            raise TelnyxRefusal(INVALID_CALL, TITLES[INVALID_CALL], field="call_control_id")
        call = self._calls[name]
        if call.state is CallState.ENDED:
            raise TelnyxRefusal(CALL_ENDED, "This call is no longer active and can't receive commands.")
        if call.state is not CallState.ANSWERED:
            raise TelnyxRefusal(NOT_ANSWERED, "The call has not been answered yet.")
        return call

    def _event(
        self, conference: Conference, call: TelnyxCall, kind: str, now: float, **payload: Any
    ) -> DeliverWebhook:
        event = call.event(kind, now, conference_id=conference.id, occurred_at=written(now), **payload)
        return DeliverWebhook(call.webhook_url, event)


def _whispers(body: Mapping[str, Any]) -> frozenset[str] | None:
    """Who hears a supervisor that whispers; with nobody named it is as if it monitored."""
    if body.get("supervisor_role") != "whisper":
        return None
    return frozenset(body.get("whisper_call_control_ids", ()))


def _meta(number: int) -> dict[str, int]:
    return {"page_number": 1, "page_size": max(number, 1), "total_pages": 1, "total_results": number}
