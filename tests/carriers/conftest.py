"""A server that a carrier's webhooks can ask, without sockets: what they ask of it is written down."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import pytest

from bridge.carriers.shared.before_call import NOTHING_SAID, Decision, Question, question
from bridge.carriers.shared.rest import ApiRequest
from bridge.carriers.shared.webhooks import (
    AskFirst,
    CarrierWebhooks,
    Decided,
    ExpectedCall,
    Numbers,
    Refused,
    StreamKind,
    Taken,
    WebhookAnswer,
    WebhookRequest,
)
from bridge.settings.busy import BusySettings
from bridge.vocabulary.call_facts import Facts
from bridge.vocabulary.errors import CarrierRefused, WebhookRefused
from bridge.vocabulary.people import PersonEvent
from bridge.vocabulary.supervision import SupervisorEvent

UNIX_S = 1_700_000_000.0


class Sent(NamedTuple):
    """A request to the carrier's REST API."""

    request: ApiRequest
    taken: Taken | None
    refused: Refused | None


class Host:
    """See `CallHost`."""

    public_url = "https://voice.example.com"

    def __init__(self) -> None:
        self.busy = BusySettings()
        self.full = ""
        """Why no new call is taken; empty where one is."""
        self.placed: list[str] = []
        """The calls for which a place was asked."""
        self.allows_unauthenticated = False
        self.assistants = {"", "front", "sales"}
        self.asked: list[tuple[str, Numbers, Mapping[str, str]]] = []
        """The word, the numbers and the parameters with which it was asked who answers."""
        self.expected: list[tuple[ExpectedCall, StreamKind]] = []
        self.ended: list[str] = []
        self.streams_ended: list[tuple[str, str, bool]] = []
        """The call, the stream, and whether it broke."""
        self.over: set[str] = set()
        """The calls that have ended before a webhook comes."""
        self.asks_first = False
        self.questions: list[tuple[Question, Decided | None]] = []
        """What was asked of new calls, and who is told what was decided."""
        self.sent: list[Sent] = []
        self.people = False
        """Whether the settings name people."""
        self.under_way: set[str] = set()
        """The calls that have a session."""
        self.told: list[tuple[str, PersonEvent | SupervisorEvent]] = []
        self.commands_after: Callable[[Any], None] = lambda _event: None
        """What the core commands after an event of a handover."""
        self.closed: list[str] = []
        """The calls whose streams we closed."""
        self.handles = 0
        self.lines: list[tuple[str, str, dict[str, object]]] = []

    def has_assistant(self, assistant: str) -> bool:
        return assistant in self.assistants

    def who_answers(
        self, call_id: str, request: WebhookRequest, numbers: Numbers, parameters: Mapping[str, str]
    ) -> str:
        self.asked.append((request.word, numbers, parameters))
        assistant = request.query.get("assistant", "")
        if not self.has_assistant(assistant):
            raise WebhookRefused(400, "there is no such assistant")
        return assistant

    def question(
        self, call_id: str, facts: Facts, request: WebhookRequest, parameters: Mapping[str, str]
    ) -> Question:
        return question(call_id, "carrier", facts, request.word, {**parameters, **request.query})

    def ask(self, question: Question, decided: Decided) -> None:
        self.questions.append((question, decided))

    def assistant_of(self, decision: Decision, assistant: str, call_id: str) -> str:
        return decision.assistant if decision.assistant in self.assistants - {""} else assistant

    def why_refused(self, call_id: str) -> str:
        self.placed.append(call_id)
        return self.full

    def expect(self, call: ExpectedCall, kind: StreamKind = "media") -> str:
        self.expected.append((call, kind))
        return f"wss://voice.example.com/{kind}/token{len(self.expected)}"

    def call_ended(self, call_id: str) -> None:
        self.ended.append(call_id)
        self.under_way.discard(call_id)
        self.over.add(call_id)

    def puts_through(self) -> bool:
        return self.people

    def is_under_way(self, call_id: str) -> bool:
        return call_id in self.under_way

    def tell(self, call_id: str, event: PersonEvent | SupervisorEvent) -> None:
        if call_id in self.under_way:
            self.told.append((call_id, event))
            self.commands_after(event)

    def close_stream(self, call_id: str, why: str) -> None:
        self.closed.append(call_id)

    def new_handle(self) -> str:
        self.handles += 1
        return f"h{self.handles}"

    def has_ended(self, call_id: str) -> bool:
        return call_id in self.over

    def stream_ended(self, call_id: str, stream_id: str, *, broke: bool = False) -> None:
        self.streams_ended.append((call_id, stream_id, broke))

    def unique_id(self) -> str:
        return f"id{len(self.sent)}"

    def send(self, request: ApiRequest, taken: Taken | None = None, refused: Refused | None = None) -> None:
        self.sent.append(Sent(request, taken, refused))

    def log(self, level: Literal["info", "warning"], event: str, **facts: object) -> None:
        self.lines.append((level, event, facts))

    # What a test does

    @property
    def commands(self) -> list[str]:
        """What the carrier's REST API was asked for."""
        return [sent.request.command for sent in self.sent]

    def decide(self, decision: Decision, now: float = 0.0) -> None:
        """The address of [before_call] has answered what it was asked last."""
        decided = self.questions[-1][1]
        assert decided is not None
        decided(decision, now)

    def take(self, now: float, number: int = -1, **data: object) -> None:
        """The REST API does what it was asked for, by default last."""
        if (taken := self.sent[number].taken) is not None:
            taken(data, now)

    def refuse(self, now: float, code: str, number: int = -1, status: int = 422) -> None:
        """The REST API refuses it."""
        if (refused := self.sent[number].refused) is not None:
            refused(CarrierRefused("refused", status=status, code=code), now)


def serve(
    webhooks: CarrierWebhooks,
    path: str,
    body: bytes,
    *,
    now: float = 0.0,
    decision: Decision = NOTHING_SAID,
    **fields: Any,
) -> WebhookAnswer:
    """What the shell does with a request: the route that fits answers it. `path`: without the word.

    `decision`: what the address of [before_call] answers, if it is asked.
    """
    (route,) = [route for route in webhooks.routes() if route.path == path]
    assert "word" not in fields or route.takes_word
    word = f"/{fields['word']}" if "word" in fields else ""
    request = WebhookRequest(path + word, path + word, {}, body, UNIX_S)._replace(**fields)
    answer = route.handle(request, now)
    return answer.then(decision, now) if isinstance(answer, AskFirst) else answer


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture(name="serve")
def serving() -> Any:
    return serve
