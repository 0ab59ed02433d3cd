"""The `error` event: what each meaning of an error does to the conversation. No clock: `now` is seconds."""

from typing import TYPE_CHECKING

from bridge.assistants.openai_realtime.error_reports import (
    Meaning,
    active_response,
    describe,
    is_passing,
    meaning,
    name,
)
from bridge.assistants.openai_realtime.gate import Request
from bridge.assistants.openai_realtime.server_events import ErrorBody
from bridge.vocabulary.contracts import AssistantOutcome
from bridge.vocabulary.events import AssistantReportedError, Ignored

if TYPE_CHECKING:
    from bridge.assistants.openai_realtime.conversation import RealtimeConversation


def read_error(talk: "RealtimeConversation", error: ErrorBody, now: float) -> list[AssistantOutcome]:
    """The server reports an error."""
    came: list[AssistantOutcome] = [Ignored(f"error: {name(error)}")]
    match meaning(error):
        case Meaning.FATAL:
            return talk.fail(describe(error), final=True)
        case Meaning.EXPIRED:
            return talk.fail(describe(error))
        case Meaning.HARMLESS:
            came += talk.cancel_refused(error.event_id)
        case Meaning.REFUSED:
            talk.gate.refused(error.event_id, active_response(error), now)
        case Meaning.TOO_LATE:
            came += talk.replies.cut_again(error)
        case Meaning.OTHER:
            request = _rejected(talk, error)
            if request is None:
                return [AssistantReportedError(describe(error))]
            return talk.follow(talk.failures.failed(request, error, now))
    return came


def _rejected(talk: "RealtimeConversation", error: ErrorBody) -> Request | None:
    """The response that an error is about; None if the conversation goes on without one.

    An error that names no event, and passes, is about the response that is owed: our request, or the server's own.
    """
    if error.event_id is not None or not is_passing(error):
        return talk.gate.rejected(error.event_id)
    if talk.gate.in_flight is not None:
        return talk.gate.rejected_unnamed()
    return Request() if talk.take_unanswered_turn() else None
