"""What a carrier, an assistant, a leg and a witness must offer; whoever keeps a contract can take its place."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol

from bridge.events import AssistantCommand, AssistantEvent, CarrierCommand, CarrierEvent, OpenAssistant, Word

WireMessage = str | bytes
"""One WebSocket message: text as str, binary as bytes."""

Message = WireMessage | AssistantEvent
"""What an assistant's leg carries. An assistant in this process has its events for messages."""


Receive = Callable[[Message], None]
"""What a leg calls with each message."""

Lost = Callable[[int, str], None]
"""What a leg calls once, when it is gone: WebSocket close code, reason."""


class Carrier(Protocol):
    """The dialect of one carrier's stream; one object serves one stream. `one_way`: it is listened to only."""

    def __init__(self, *, one_way: bool = False) -> None: ...

    reorder_ms: ClassVar[int]
    """How long a hole in the caller's audio may wait for its frame; 0 where the carrier keeps the order."""

    def decode(self, message: WireMessage) -> CarrierEvent:
        """Read one message. A kind we do not know is `Ignored`.

        Raises `MalformedMessage` where a kind we do know has a wrong shape, or comes where it makes no sense.
        """
        ...

    def encode(self, command: CarrierCommand) -> WireMessage:
        """Write one message. Valid only after `CallStarted` was read."""
        ...


class Assistant(Protocol):
    """The dialect of one assistant in one conversation; `OpenAssistant` is the first command it gets."""

    def encode(self, command: AssistantCommand) -> Sequence[Message]:
        """The messages, none or more, that carry this command."""
        ...

    def decode(self, message: Message) -> Sequence[AssistantEvent]:
        """Read one message. Raises `MalformedMessage` as a carrier does."""
        ...


class Leg(Protocol):
    """A way to one peer that keeps messages in order. What arrives is handed to whoever opened the leg."""

    def send(self, message: Message) -> None:
        """Send now, or queue; never waits."""
        ...

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close after what was sent. Doing it twice does no harm."""
        ...


Connect = Callable[[OpenAssistant, Receive, Lost], tuple[Assistant, Leg]]
"""Opens the way to the assistant of a call: its dialect and its leg."""


class Witness(Protocol):
    """Sees every event before the heart does and every command before it is performed, in order."""

    def saw(self, word: Word, now: float) -> None:
        """`now`: seconds on the session's clock."""
        ...

    def close(self, now: float, counts: dict[str, int]) -> None:
        """The call is over; `counts` is what the heart counted."""
        ...
