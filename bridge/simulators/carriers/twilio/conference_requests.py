"""Answers the requests about conferences and participants of the simulated Twilio.

Wire: Twilio, "Conference resource", "Conference Participant resource". Each request may raise `TwilioRefusal`.
"""

from dataclasses import replace
from typing import Any

from bridge.simulators.carriers.twilio.actions import Action, TwilioRequest, TwilioResponse, status_events
from bridge.simulators.carriers.twilio.calls import place
from bridge.simulators.carriers.twilio.checks import (
    NOT_FOUND,
    TwilioRefusal,
    check_participant,
    invalid,
    is_true,
)
from bridge.simulators.carriers.twilio.conferences import Participant, Room, participant
from bridge.simulators.carriers.twilio.progress import CallProgress
from bridge.simulators.carriers.voice_documents import Conference


class ConferenceRequests:
    """The requests of one account. `progress`: its calls."""

    def __init__(self, progress: CallProgress) -> None:
        self._progress = progress
        self._rooms = progress.conferences

    def perform(self, request: TwilioRequest, now: float) -> TwilioResponse:
        """Perform a request. Raises `TwilioRefusal`."""
        fields = dict(request.fields)
        if request.name == "conferences":
            return TwilioResponse(200, self._list(fields), [])
        if request.name == "add_participant":
            return self._add(request, fields, now)
        room = self._rooms.find(request.conference)
        match request.name:
            case "conference":
                return TwilioResponse(200, room.resource(), [])
            case "end_conference":
                return self._end(room, fields, now)
            case "participants":
                found = [room.participant_resource(one) for one in room.participants.values()]
                return TwilioResponse(200, _page("participants", found), [])
        one = self._participant(room, request.call_sid)
        match request.name:
            case "update_participant":
                check_participant(fields, new=False)
                told: list[Action] = [*self._rooms.update(room, one, fields, now)]
                return TwilioResponse(200, room.participant_resource(one), told)
            case "remove_participant":
                left = self._progress.leave_room(one.call, now, "participant_updated_via_api")
                return TwilioResponse(204, None, [*left, *self._progress.room_over(one.call, now)])
            case _:
                return TwilioResponse(200, room.participant_resource(one), [])

    def _participant(self, room: Room, name: str) -> Participant:
        for sid, one in room.participants.items():
            if name in (sid, one.label):
                return one
        raise TwilioRefusal(404, NOT_FOUND, f"The requested resource /Participants/{name} was not found.")

    def _list(self, fields: dict[str, str]) -> dict[str, Any]:
        wanted = {"friendly_name": fields.get("FriendlyName"), "status": fields.get("Status")}
        asked = {name: value for name, value in wanted.items() if value is not None}
        resources = [room.resource() for room in self._rooms.rooms.values()]
        return _page("conferences", [one for one in resources if asked.items() <= one.items()])

    def _end(self, room: Room, fields: dict[str, str], now: float) -> TwilioResponse:
        if fields.get("Status", "completed") != "completed" or not fields.keys() & {"Status", "AnnounceUrl"}:
            raise invalid(None, "One of Status=completed and AnnounceUrl is required.")
        actions: list[Action] = []
        if "Status" in fields and room.status != "completed":
            told, left = self._rooms.end(room, now)
            actions = [*told, *(act for call in left for act in self._progress.room_over(call, now))]
        return TwilioResponse(200, room.resource(), actions)

    def _add(self, request: TwilioRequest, fields: dict[str, str], now: float) -> TwilioResponse:
        check_participant(fields, new=True)
        self._progress.check_caller_id(fields)
        events = status_events(request)
        call = self._progress.new_call(fields["From"], fields["To"], now)
        wanted = _conference(request.conference, fields)
        try:
            wanted = replace(wanted, name=self._rooms.find(request.conference).name)
        except TwilioRefusal:
            if request.conference.startswith("CF"):
                del self._progress.calls[call.sid]
                raise
        call.joins = wanted
        room = self._rooms.open(wanted, now)
        told = place(call, fields, events, self._progress.callee(call.called), now)
        return TwilioResponse(201, room.participant_resource(participant(call, wanted)), told)


def _conference(name: str, fields: dict[str, str]) -> Conference:
    return Conference(
        name,
        fields.get("Label", ""),
        is_true(fields.get("Muted", "false")),
        is_true(fields.get("StartConferenceOnEnter", "true")),
        is_true(fields.get("EndConferenceOnExit", "false")),
        fields.get("CallSidToCoach", "") if is_true(fields.get("Coaching", "false")) else "",
        fields.get("WaitUrl"),
        fields.get("ConferenceStatusCallback", ""),
        tuple(fields.get("ConferenceStatusCallbackEvent", "").split()),
    )


def _page(kind: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    return {kind: found, "page": 0, "page_size": len(found), "next_page_uri": None}
