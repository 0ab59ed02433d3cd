"""What a carrier whose calls follow documents has to say for a handover: its documents, and its requests.

Addresses are whole. `leg`: the carrier's id of a person's leg. No socket, no clock.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from bridge.carriers.shared.dial_documents import Target
from bridge.carriers.shared.rest import ApiRequest
from bridge.vocabulary.errors import CarrierRefused
from bridge.vocabulary.supervision import SupervisorRole


class DocumentWords(Protocol):
    """The documents."""

    carrier: str
    """The first segment of its webhooks' paths."""

    @property
    def detects_machines(self) -> bool:
        """Whether the carrier finds out if a machine answered a person's number."""
        ...

    def stream(self, url: str, goes_on: str) -> str:
        """Connect the call to this media socket; when the stream has ended, ask `goes_on`."""
        ...

    def dial(self, targets: Sequence[Target], action: str, ring_s: float, caller_id: str) -> str:
        """Call all of them; see `dial_document`."""
        ...

    def room(self, room: str, who: Literal["caller", "person"], callback: str, action: str | None) -> str:
        """Join a conference of two; see `room_document`."""
        ...

    def queue(self, queue: str, action: str) -> str:
        """Put the call into this queue of the carrier's; see `enqueue_document`."""
        ...

    def refer(self, to: str, action: str) -> str:
        """Have the caller's telephone call this SIP address; see `refer_document`."""
        ...

    def listen(self, document: str, url: str) -> str:
        """The document, with a stream in front of it that listens to both parties; see `listen_document`."""
        ...


class DocumentApi(Protocol):
    """The requests."""

    def call_person(
        self, to: str, from_: str, *, address: str, ring_s: float, call_token: str | None
    ) -> ApiRequest:
        """Call a person; their leg tells `address` how far it has come, and asks it for its document."""
        ...

    def hang_up(self, call_id: str) -> ApiRequest:
        """End this call or leg. That it has ended already is no error."""
        ...

    def redirect(self, call_id: str, url: str) -> ApiRequest:
        """Have the call follow the document at `url` now."""
        ...

    def look_up(self, call_id: str) -> ApiRequest:
        """Ask what has become of a call."""
        ...

    def leg_in(self, data: Mapping[str, Any]) -> str:
        """The leg in the data of an answer to `call_person`; empty if there is none."""
        ...

    def is_over(self, found: Mapping[str, Any] | CarrierRefused) -> bool:
        """Whether the answer to `look_up` says that the call is over."""
        ...


class SupervisionApi(DocumentApi, Protocol):
    """Those with which a supervisor joins a conference, too. `conference`: its SID, or the name that we gave it."""

    def add_supervisor(
        self,
        conference: str,
        to: str,
        from_: str,
        *,
        role: SupervisorRole,
        person_leg: str,
        address: str,
        ring_s: float,
    ) -> ApiRequest:
        """Call a supervisor, who joins the conference in this role; the leg tells `address` how far it has come."""
        ...

    def change_supervisor(
        self, conference: str, leg: str, *, role: SupervisorRole, person_leg: str
    ) -> ApiRequest:
        """Give a supervisor who is in the conference another role."""
        ...


def role_fields(role: SupervisorRole, person_leg: str) -> dict[str, str | bool]:
    """The fields of a participant in this role (Twilio, "Conference Participant resource"; TeXML has the same)."""
    match role:
        case SupervisorRole.WHISPER:
            return {"Muted": False, "Coaching": True, "CallSidToCoach": person_leg}
        case SupervisorRole.BARGE:
            return {"Muted": False, "Coaching": False}
        case _:
            return {"Muted": True, "Coaching": False}


class Caller(NamedTuple):
    """What the webhook says of the call that is put through."""

    call_id: str
    from_: str = ""
    to: str = ""
    came_in: bool = True
    call_token: str = ""
    """With it the carrier lets us show the caller's number to a person."""

    def shown(self, from_: str) -> "Shown":
        """Which number a person is shown where `from_` is commanded, as in `CallPeople`."""
        theirs, ours = (self.from_, self.to) if self.came_in else (self.to, self.from_)
        return shown_number(from_, theirs, ours)


class Shown(NamedTuple):
    """The number that a person is shown."""

    number: str
    is_callers: bool
    """Whether it is the caller's. Not every carrier shows it in every call."""
    ours: str
    """The number that the caller called, in case that it does not."""


def shown_number(from_: str, theirs: str, ours: str) -> Shown:
    """The number that a person is shown: "caller", "ours" or a number is commanded."""
    if from_ == "caller" or (from_ == theirs and theirs):
        return Shown(theirs, is_callers=True, ours=ours)
    return Shown(ours if from_ in ("", "ours") else from_, is_callers=False, ours=ours)


def caller_of(form: Mapping[str, str]) -> Caller:
    """The caller in a form of Twilio's or of TeXML."""
    return Caller(
        form.get("CallSid", ""),
        form.get("From", ""),
        form.get("To", ""),
        not form.get("Direction", "inbound").startswith("outbound"),
        form.get("CallToken", ""),
    )
