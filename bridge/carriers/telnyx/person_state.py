"""The leg of a person or of a supervisor under Call Control: what its webhooks carry along, and why nobody answered it.

No clock.
"""

from base64 import b64encode

from msgspec import DecodeError, Struct, json

from bridge.vocabulary.people import Nobody

WHY: dict[str, Nobody] = {
    "user_busy": Nobody.BUSY,
    "call_rejected": Nobody.REFUSED,
    "timeout": Nobody.NO_ANSWER,
    "no_answer": Nobody.NO_ANSWER,
    "normal_clearing": Nobody.NO_ANSWER,
    "originator_cancel": Nobody.NO_ANSWER,
}
"""By `hangup_cause`, of a leg that nobody answered; any other cause is a failure."""


MACHINES = frozenset({"machine", "fax_detected"})
"""The verdicts that are no person."""


class PersonState(Struct, frozen=True):
    """The client state of a person's leg."""

    person: str
    """The person's name in the settings."""
    handle: str
    call_id: str
    """The call that is put through."""

    def encode(self) -> str:
        """As a command carries it, in base64."""
        return b64encode(json.encode(_Marked(self))).decode()


class _Marked(Struct):
    voicebridge_person: PersonState


def read_person_state(text: str) -> PersonState | None:
    """The state in `text`, which is decoded as in `CallEvent`; None if it is not that of a person's leg."""
    try:
        return json.decode(text, type=_Marked).voicebridge_person
    except (DecodeError, RecursionError):
        return None
