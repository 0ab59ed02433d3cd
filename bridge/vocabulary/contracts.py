"""What a carrier, an assistant, a leg and an observer must offer; whoever keeps a contract can take its place."""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, Protocol, TypeVar

from bridge.vocabulary.commands import (
    AssistantCommand,
    CarrierCommand,
    ControlCommand,
    OpenAssistant,
    RunTool,
)
from bridge.vocabulary.events import AssistantEvent, CarrierEvent, Word

WireMessage = str | bytes
"""One WebSocket message: text as str, binary as bytes."""


class Post(NamedTuple):
    """One HTTP request to an assistant that is reached over HTTP."""

    body: bytes
    headers: Mapping[str, str]


class Posted(NamedTuple):
    """The response to a `Post`. `status`: 0 if none came; `body` is then the reason, in UTF-8."""

    status: int
    content_type: str
    body: bytes


Receive = Callable[[WireMessage | Posted], None]
"""What an assistant's leg calls with each message that arrives."""

Lost = Callable[[int, str], None]
"""What a leg calls once, when it is gone: WebSocket close code, reason.

1006 where no code was given (RFC 6455, 7.1.5); 1008 also where the peer refused the upgrade and will refuse it again.
"""

CarrierOutcome = CarrierEvent | WireMessage
"""What a carrier's dialect returns: an event is for the core, a message is for the carrier's leg."""

AssistantOutcome = AssistantEvent | WireMessage | Post
"""What an assistant's dialect returns: an event is for the core, a message is for the assistant's leg."""


class Carrier(Protocol):
    """The dialect of one carrier's stream; one object serves one stream.

    `decode`, `encode` and `due` return events for the core and messages for the leg, in order; whoever drives the
    dialect hands each `Word` to the call and sends everything else. Audio is G.711 or linear samples. `now` is seconds
    on the session's clock.
    """

    reorder_ms: int
    """How long a gap in the caller's audio may wait for the missing frame; 0 where the carrier keeps the order."""

    start_s: float | None
    """How long the stream may take to start, where that depends on who is called; None: the limits say it."""

    def decode(self, message: WireMessage, now: float) -> Sequence[CarrierOutcome]:
        """Read one message. A message of an unknown kind is `Ignored`.

        Raises `MalformedMessage` where a known kind has a wrong shape, or comes where it makes no sense.
        """
        ...

    def encode(self, command: CarrierCommand, now: float) -> Sequence[CarrierOutcome]:
        """Carry out one command. Valid only after `CallStarted` was read."""
        ...

    def deadline(self) -> float | None:
        """When `due` wants to be called, at the latest; asked after each command and each message."""
        ...

    def due(self, now: float) -> Sequence[CarrierOutcome]:
        """What has fallen due by `now`."""
        ...

    def counts(self) -> Mapping[str, int]:
        """What the dialect had to repair in this stream, for the call's account."""
        ...


class StreamEnd(Enum):
    """How the carrier's stream of a call ended."""

    BY_CARRIER = "the carrier ended it"
    BY_BRIDGE = "the bridge closed it"
    BROKEN = "it broke or fell silent; the carrier may not have noticed"


class CallControl(Protocol):
    """What a carrier can do to one call beside its stream; one object controls one call.

    Nothing waits: a command becomes a request to the carrier, and its outcome comes later, as an event or in the log.
    `now` is seconds on the session's clock.
    """

    can: frozenset[type[ControlCommand]]
    """The commands that it performs for this call; the core gives no others."""

    def perform(self, command: ControlCommand, now: float) -> None:
        """Have the carrier do this. Of several commands the effects come in their order."""
        ...

    def hang_up(self, end: StreamEnd, now: float) -> None:
        """The session has ended: end the phone call, where the carrier would go on with it and should not."""
        ...


class Assistant(Protocol):
    """The dialect of one assistant in one conversation; `OpenAssistant` is the first command it gets.

    `encode`, `decode` and `due` return events for the core and messages for the leg, in order; whoever drives the
    dialect hands each `Word` to the call and sends everything else. `now` is seconds on the session's clock.
    """

    def encode(self, command: AssistantCommand, now: float) -> Sequence[AssistantOutcome]:
        """Carry out one command. Events come of it where the dialect finds something out by itself.

        For example its own turn detector hears in the caller's audio that the caller speaks.
        """
        ...

    def decode(self, message: WireMessage | Posted, now: float) -> Sequence[AssistantOutcome]:
        """Read one message. Raises `MalformedMessage` as a carrier does.

        A dialect that does more about such a message returns `MessageRefused` with the rest instead of raising.
        """
        ...

    def deadline(self) -> float | None:
        """When `due` wants to be called, at the latest; asked after each command and each message."""
        ...

    def due(self, now: float) -> Sequence[AssistantOutcome]:
        """What has fallen due by `now`."""
        ...


Sent_contra = TypeVar("Sent_contra", contravariant=True)


class Leg(Protocol[Sent_contra]):
    """A connection to one peer that keeps messages in order: `Leg[WireMessage]` or `Leg[Post]`.

    What arrives is handed to whoever opened the leg.
    """

    @property
    def stalled(self) -> bool:
        """The peer reads too slowly: what can be left out should not be sent."""
        ...

    def send(self, message: Sent_contra) -> None:
        """Send now, or queue; never waits."""
        ...

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close after what was sent. To close twice does no harm."""
        ...


class ToolSchema(NamedTuple):
    """A tool as it is described to an assistant. `parameters`: a JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


class Tools(Protocol):
    """The tools that one assistant can use in one call."""

    def run(self, command: RunTool, answered: Callable[[str], None]) -> None:
        """Start the tool. `answered` is called once with its output, at once or later, unless `close` comes first."""
        ...

    def close(self) -> None:
        """Stop the tools that still run; `answered` is not called any more."""
        ...


class Connection(NamedTuple):
    """An assistant in a call: its dialect, its leg, and its tools.

    `leg` takes what `assistant` sends: a WebSocket takes `WireMessage`, HTTP takes `Post`. Which of them an assistant
    needs is known only from the settings, so the types do not pair the two.
    """

    assistant: Assistant
    leg: Leg[Any]
    tools: Tools


Connect = Callable[[OpenAssistant, Receive, Lost], Connection]
"""Connects a call with an assistant. Neither `Receive` nor `Lost` is called before it has returned."""


class Turn(NamedTuple):
    """How long the caller waited for a reply, in ms from the end of the utterance; None: the reply did not get so far."""

    replied_ms: int | None
    """The first sound from the assistant."""
    sent_ms: int | None
    """The first sound to the carrier."""
    heard_ms: int | None
    """The return of the mark behind it."""


class Account(NamedTuple):
    """The sums of one call."""

    counts: Mapping[str, int]
    """Events by kind of trouble, turns, barge-ins; zeros are left out."""
    tokens: Mapping[str, int]
    """What the assistants bill, by kind of token."""
    caller_s: float
    """Seconds of the caller's audio that were given to an assistant."""
    assistant_s: float
    """Seconds of audio that the assistants sent, heard or not."""
    turns: Sequence[Turn]


class Observer(Protocol):
    """Sees events before the core does and commands before they are performed, in order."""

    @property
    def sees(self) -> Collection[type[Word]] | None:
        """The types that it wants to see; None: all. Audio comes in fifty frames a second each way."""
        ...

    def saw(self, word: Word, now: float) -> None:
        """`now`: seconds on the session's clock."""
        ...

    def close(self, now: float, account: Account) -> None:
        """The call is over; nothing more is seen."""
        ...
