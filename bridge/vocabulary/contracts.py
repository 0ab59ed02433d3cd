"""The protocols that carriers, assistants, legs, tools and observers implement, and the types that they exchange."""

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
    """The response to a `Post`. `status` is 0 if no response came; `body` is then the reason, in UTF-8.

    `retry_after_s`: how long the server asks to be left alone; None: it does not.
    """

    status: int
    content_type: str
    body: bytes
    retry_after_s: float | None = None


class PostDelayed(NamedTuple):
    """The server did not take a `Post`, which is sent again after `wait_s` seconds; its `Posted` comes later."""

    wait_s: float


LegMessage = WireMessage | Posted | PostDelayed
"""What the leg of an assistant hands over: a message, or what has become of a `Post`."""

Receive = Callable[[LegMessage], None]
"""The callback of an assistant's leg for each message that arrives."""

Lost = Callable[[int, str], None]
"""The callback that a leg calls once, when it has ended, with the WebSocket close code and the reason.

The code is 1006 if none was given (RFC 6455, 7.1.5), 1008 also if the peer refused the upgrade and would refuse it
again, and 1013 if it may not. How long the peer asks to be left alone stands in the reason: "try again in 2.4 s".
"""

CarrierOutcome = CarrierEvent | WireMessage
"""What a carrier's dialect returns: an event is for the core, a message is for the carrier's leg."""

AssistantOutcome = AssistantEvent | WireMessage | Post
"""What an assistant's dialect returns: an event is for the core, a message is for the assistant's leg."""


class Carrier(Protocol):
    """The dialect of one carrier's stream; one object serves one stream.

    `decode`, `encode` and `due` return events for the core and messages for the leg, in order; the caller of
    these methods hands each `Word` to the call and sends everything else. Audio is G.711 or linear samples. `now` is in
    seconds on the session's clock.
    """

    reorder_ms: int
    """How long to wait for a missing frame of the caller's audio, in ms; 0 if the carrier keeps the order."""

    start_s: float | None
    """How many seconds the stream may take to start, if that depends on who is called; None: the limits say it."""

    silent_s: float | None
    """How many seconds the stream may send nothing, if the carrier may pause a stream; None: the limits say it."""

    def decode(self, message: WireMessage, now: float) -> Sequence[CarrierOutcome]:
        """Decode one message. A message of an unknown kind gives `Ignored`.

        Raises `MalformedMessage` if a known kind has a wrong shape, or is not allowed at this point of the stream.
        """
        ...

    def encode(self, command: CarrierCommand, now: float) -> Sequence[CarrierOutcome]:
        """Encode one command. Valid only after `decode` has returned `CallStarted`."""
        ...

    def deadline(self) -> float | None:
        """Return when `due` must be called, in seconds; None: nothing waits.

        Read after each command and message but two: a message that is one `CallerAudio` alone, and a command of which one
        message comes alone. These must not move it to an earlier time.
        """
        ...

    def due(self, now: float) -> Sequence[CarrierOutcome]:
        """Return what has fallen due by `now`."""
        ...

    def counts(self) -> Mapping[str, int]:
        """Return what the dialect repaired in this stream, by kind, for the call's account."""
        ...


class StreamEnd(Enum):
    """How the carrier's stream of a call ended."""

    BY_CARRIER = "the carrier ended it"
    BY_BRIDGE = "the bridge closed it"
    BROKEN = "it broke or fell silent; the carrier may not have noticed"


class CallControl(Protocol):
    """What a carrier can do to one call beside its stream; one object controls one call.

    No method waits: a command becomes a request to the carrier, and its outcome comes later, as an event or in the log.
    `now` is seconds on the session's clock.
    """

    can: frozenset[type[ControlCommand]]
    """The commands that it performs for this call; the core gives no others."""

    def perform(self, command: ControlCommand, now: float) -> None:
        """Ask the carrier to do this. The effects of several commands come in the order of the commands."""
        ...

    def hang_up(self, end: StreamEnd, now: float) -> None:
        """End the phone call after the session has ended, if the carrier would continue it and should not."""
        ...


class Assistant(Protocol):
    """The dialect of one assistant in one conversation; `OpenAssistant` is the first command it gets.

    `encode`, `decode` and `due` return events for the core and messages for the leg, in order; the caller of
    these methods hands each `Word` to the call and sends everything else. `now` is seconds on the session's clock.
    """

    def encode(self, command: AssistantCommand, now: float) -> Sequence[AssistantOutcome]:
        """Encode one command. It gives events too if the dialect detects something by itself.

        For example, its own turn detector may detect speech in the caller's audio.
        """
        ...

    def decode(self, message: LegMessage, now: float) -> Sequence[AssistantOutcome]:
        """Decode one message. Raises `MalformedMessage` under the same conditions as `Carrier.decode`.

        A dialect that also answers a malformed message returns `MessageRefused` and its answer instead of raising.
        """
        ...

    def deadline(self) -> float | None:
        """Return when `due` must be called, in seconds; None: nothing waits.

        Read after each command and message, unless one message or one `ReplyAudio`, the next of its item, comes alone of
        the caller's audio, or such a `ReplyAudio` alone of a message. These must not move it to an earlier time.
        """
        ...

    def due(self, now: float) -> Sequence[AssistantOutcome]:
        """Return what has fallen due by `now`."""
        ...

    def is_reply_owed(self, now: float) -> bool:
        """Return whether the assistant should be ready, or should reply, and still has time for it.

        It may be busy with that: a ping that it does not answer then does not mean that it is dead.
        """
        ...


Sent_contra = TypeVar("Sent_contra", contravariant=True)


class Leg(Protocol[Sent_contra]):
    """A connection to one peer that keeps messages in order: `Leg[WireMessage]` or `Leg[Post]`.

    What arrives is given to the `receive` callback with which the leg was opened.
    """

    @property
    def stalled(self) -> bool:
        """Whether the peer reads too slowly. Messages that can be left out should then not be sent."""
        ...

    def send(self, message: Sent_contra) -> None:
        """Send a message now, or queue it. This never waits."""
        ...

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection after what was sent. To close twice does no harm."""
        ...


class ToolSchema(NamedTuple):
    """The description of a tool for an assistant. `parameters`: a JSON schema of an object."""

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
"""Connects a call with an assistant. It calls neither `Receive` nor `Lost` before it has returned."""


class Turn(NamedTuple):
    """How long the caller waited for a reply, voice to voice, in ms; `observers.turn_waits` says how it is measured.

    The parts follow each other and add up to the wait. What is not known, or was never reached, is None.
    """

    wait_ms: int | None
    """From the end of the caller's speech in the audio to the first sound of the reply that the caller heard."""
    pause_ms: int | None
    """First part: until the assistant, or turn detection, said that the caller has stopped."""
    reply_ms: int | None
    """Second part: until the first audio of the reply came from the assistant."""
    send_ms: int | None
    """Third part: until the first audio of the reply was sent to the carrier."""
    play_ms: int | None
    """Last part: until the caller heard its first sound, behind the silence with which it may begin."""


class Account(NamedTuple):
    """The sums of one call."""

    counts: Mapping[str, int]
    """The number of problems of each kind, of turns and of barge-ins; zeros are left out."""
    tokens: Mapping[str, int]
    """The number of tokens that the assistants bill, by kind."""
    caller_s: float
    """Seconds of the caller's audio that were sent to an assistant."""
    assistant_s: float
    """Seconds of audio that the assistants sent, heard or not."""
    turns: Sequence[Turn]


class Observer(Protocol):
    """Sees events before the core handles them and commands before they are performed, in order."""

    @property
    def sees(self) -> Collection[type[Word]] | None:
        """The types that it wants to see; None: all. Audio comes in 50 frames a second in each direction."""
        ...

    def saw(self, word: Word, now: float) -> None:
        """Take note of an event or a command. `now`: seconds on the session's clock."""
        ...

    def close(self, now: float, account: Account) -> None:
        """Finish, because the call is over. `account`: the sums of the call. `saw` is not called after this."""
        ...
