"""What a carrier, an assistant, a leg and a observer must offer; whoever keeps a contract can take its place."""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, Protocol

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
    """One request to an assistant that is spoken to over HTTP."""

    body: bytes
    headers: Mapping[str, str]


class Posted(NamedTuple):
    """The answer. `status`: 0 where none came, with the reason for a body."""

    status: int
    content_type: str
    body: bytes


Message = WireMessage | AssistantEvent | Post | Posted
"""What an assistant's leg carries. An assistant in this process has its events for messages."""

Receive = Callable[[Message], None]
"""What a leg calls with each message."""

Lost = Callable[[int, str], None]
"""What a leg calls once, when it is gone: WebSocket close code, reason.

1006 where no code was given; 1008 also where the peer refused the upgrade for a reason that will stay.
"""


class Answer(NamedTuple):
    """A message that a dialect sends of its own accord; the core need not know."""

    message: WireMessage


class Carrier(Protocol):
    """The dialect of one carrier's stream; one object serves one stream.

    Above it audio is sample by sample: G.711 or linear. `now` is seconds on the session's clock.
    """

    reorder_ms: int
    """How long a hole in the caller's audio may wait for its frame; 0 where the carrier keeps the order."""

    start_s: float | None
    """How long it may take to say start, where that depends on who is called; None: as the limits have it."""

    def decode(self, message: WireMessage, now: float) -> Sequence[CarrierEvent]:
        """Read one message. A kind we do not know is `Ignored`.

        Raises `MalformedMessage` where a kind we do know has a wrong shape, or comes where it makes no sense.
        """
        ...

    def encode(self, command: CarrierCommand, now: float) -> Sequence[WireMessage]:
        """The messages, none or more, that carry this command. Valid only after `CallStarted` was read."""
        ...

    def deadline(self) -> float | None:
        """When `due` wants to be called, at the latest; asked after each command and each message."""
        ...

    def due(self, now: float) -> Sequence[CarrierEvent | Answer]:
        """What has fallen due by `now`."""
        ...

    def counts(self) -> Mapping[str, int]:
        """What the dialect had to mend, for the call's account."""
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


Utterance = AssistantEvent | Answer
"""What becomes of a message from the assistant: something for the core, or something to send back."""


class Assistant(Protocol):
    """The dialect of one assistant in one conversation; `OpenAssistant` is the first command it gets.

    `now` is seconds on the session's clock.
    """

    def encode(self, command: AssistantCommand, now: float) -> Sequence[Message]:
        """The messages, none or more, that carry this command."""
        ...

    def decode(self, message: Message, now: float) -> Sequence[Utterance]:
        """Read one message. Raises `MalformedMessage` as a carrier does."""
        ...

    def deadline(self) -> float | None:
        """When `due` wants to be called, at the latest; asked after each command and each message."""
        ...

    def due(self, now: float) -> Sequence[Utterance]:
        """What has fallen due by `now`."""
        ...


class Leg(Protocol):
    """A way to one peer that keeps messages in order. What arrives is handed to whoever opened the leg."""

    @property
    def stalled(self) -> bool:
        """The peer reads too slowly: what can be spared should not be sent."""
        ...

    def send(self, message: Message) -> None:
        """Send now, or queue; never waits."""
        ...

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close after what was sent. Doing it twice does no harm."""
        ...


class ToolSchema(NamedTuple):
    """A tool as an assistant is told of it. `parameters`: a JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


class Tools(Protocol):
    """What one assistant may have done in one call."""

    def run(self, command: RunTool, answered: Callable[[str], None]) -> None:
        """Begin, beside the call. `answered` is called once, later, with the output, unless `close` comes first."""
        ...

    def close(self) -> None:
        """Stop what still runs; nothing is answered any more."""
        ...


class Connection(NamedTuple):
    """An assistant in a call: its dialect, the way to it, and what it may have done."""

    assistant: Assistant
    leg: Leg
    tools: Tools


Connect = Callable[[OpenAssistant, Receive, Lost], Connection]
"""Opens the way to the assistant of a call."""


class Turn(NamedTuple):
    """How long the caller waited for a reply, in ms from the end of the utterance; None: it did not come so far."""

    replied_ms: int | None
    """The first sound from the assistant."""
    sent_ms: int | None
    """The first sound to the carrier."""
    heard_ms: int | None
    """The mark behind it returned."""


class Account(NamedTuple):
    """A call, added up."""

    counts: Mapping[str, int]
    """Events by kind of trouble, turns, barge-ins; zeros are left out."""
    tokens: Mapping[str, int]
    """What the assistants bill, by kind."""
    caller_s: float
    """The caller's audio while an assistant was there to hear it."""
    assistant_s: float
    """Audio that they sent, heard or not."""
    turns: Sequence[Turn]


class Observer(Protocol):
    """Sees events before the core does and commands before they are performed, in order."""

    @property
    def sees(self) -> Collection[type[Word]] | None:
        """The kinds that it wants to see; None: all. Frames come fifty a second each way."""
        ...

    def saw(self, word: Word, now: float) -> None:
        """`now`: seconds on the session's clock."""
        ...

    def close(self, now: float, account: Account) -> None:
        """The call is over."""
        ...
