"""What every simulated carrier offers to the simulated phone, and what a server can ask of it on a media stream."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from bridge.simulators.carriers.rehearsal import Rehearsal
from bridge.simulators.phone.plan import CallPlan
from bridge.vocabulary.contracts import WireMessage
from telecodecs.format import AudioFormat

CALLER = "+15550199"
CALLED = "+15550100"
"""Who calls and who is called, unless somebody says otherwise."""


@dataclass(frozen=True, slots=True)
class Play:
    """Queue this audio for the caller."""

    audio: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """Return this mark when all audio before it has been played."""

    name: str


@dataclass(frozen=True, slots=True)
class Clear:
    """Discard the audio that has not been played."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The carrier does not do this and says so on the stream. `answer`: the message that it sends back."""

    answer: str


Order = Play | Mark | Clear | Refused
"""What one message of the server's makes the carrier do."""


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning that the carrier would write to the account's log. `code`: the carrier's number for it."""

    code: int
    why: str


class SimulatedStream(Protocol):
    """A carrier's side of one media stream: messages to the server as text, messages from the server as orders."""

    line: AudioFormat
    """The format of the caller's and the other party's audio, before any packet codec of the carrier."""
    plays: AudioFormat
    """The format of the audio in `Play`, decoded from any packet codec of the carrier."""
    wire_codecs: tuple[str, str]
    """Codec and rate on the wire, of the caller's audio and of the server's: `g722/8000`, as the carrier names them."""
    tracks: tuple[str, ...]
    """Which parties the server hears: inbound (the caller), outbound (what is played to the caller)."""
    one_way: bool
    """The server only listens: it gets no keys, and what it sends is not played."""
    call_sid: str
    stream_sid: str
    warnings: list[Warned]
    """All warnings so far, oldest first."""

    def opening(self) -> list[str]:
        """The messages before the first audio."""
        ...

    def media(self, track: str, audio: bytes, at_ms: int) -> str:
        """One 20 ms frame of a track. `at_ms`: of its first sample, from the start of the stream."""
        ...

    def payload(self, track: str, audio: bytes) -> str:
        """One 20 ms frame of a track in the codec of the wire, as base64. To be called in the order of the frames."""
        ...

    def media_of(self, track: str, payload: str, at_ms: int) -> str:
        """As `media`, of a frame that was encoded before: a load test encodes each frame once for all its calls."""
        ...

    def digit(self, digit: str, at_ms: int = 0) -> str:
        """The caller pressed a key. `at_ms`: from the start of the call, for carriers that send the time of day."""
        ...

    def mark(self, name: str) -> str:
        """The message that returns a mark."""
        ...

    def closing(self) -> str:
        """The last message of the stream."""
        ...

    def audio_discarded(self) -> None:
        """Note that a frame was discarded instead of sent, because the server reads too slowly."""
        ...

    def decode(self, message: WireMessage, now: float = 0.0) -> Order | None:
        """Read one message of the server's.

        What the carrier would refuse adds a warning; the result is then None, or `Refused` where the carrier answers
        on the stream. `now`: seconds, for carriers that limit how often a message may come.
        """
        ...


class MediaSocket(NamedTuple):
    """A media stream that the phone is to open: where, with which headers, and the carrier's side of it."""

    url: str
    headers: Mapping[str, str]
    """Of the WebSocket upgrade."""
    stream: SimulatedStream
    reconnect: Callable[[], SimulatedStream] | None = None
    """Makes the same call's next stream, for a carrier that connects again when the connection breaks; else None."""
    tls: ssl.SSLContext | None = None
    """What verifies the server's certificate; None: the system's certificate authorities."""

    def in_rehearsal(self, rehearsal: Rehearsal | None) -> "MediaSocket":
        """This socket on this machine, where the server names it by its public address. Raises `CallRefused`."""
        if rehearsal is None:
            return self
        headers = {**self.headers, **rehearsal.headers}
        return self._replace(url=rehearsal.reached(self.url), headers=headers, tls=rehearsal.tls)


class Exchange(Protocol):
    """A carrier's telephone exchange, for one call: finds out which media stream the server wants for it."""

    @property
    def line(self) -> AudioFormat:
        """The format of the caller's audio."""
        ...

    async def open(self, url: str, plan: CallPlan, *, caller: str, called: str) -> MediaSocket:
        """Ask the voice webhook at `url` (http, https), or take `url` (ws, wss) for the media socket itself.

        For a media socket `plan` says which tracks and parameters the stream has. `caller` and `called` are numbers
        in E.164 form. Raises `CallRefused` with the reason if the server asks for no stream.
        """
        ...


@dataclass(frozen=True, slots=True)
class CallOptions:
    """The options of `voicebridge call` that depend on the carrier. Empty and 0: the carrier's default."""

    auth_token: str = field(default="", repr=False)
    """Signs Twilio's webhook and upgrade."""
    codec: str = ""
    """The codec of the caller's audio."""
    rate_hz: int = 0
    play_codec: str = ""
    """The codec of the server's audio, where no webhook names it. Empty: as `codec`."""
    play_rate_hz: int = 0
    byteorder: str = "little"
    """Of L16."""
    rehearsal: Rehearsal | None = None
    """The call is signed as if it came by the server's public address."""
    private_key: str = field(default="", repr=False)
    """Signs the webhooks of a carrier that signs with one: Ed25519, base64 of its seed. Empty: a published test key."""
    api_key: str = field(default="", repr=False)
    """What the simulated REST API expects. Empty: its own."""
    caller: str = CALLER
    """Who calls, and who is called: numbers in E.164 form, or addresses."""
    called: str = CALLED
    account_sid: str = ""
    """The account of a simulated REST API that has accounts. Empty: its own."""


def is_webhook(url: str) -> bool:
    """Whether `url` is a voice webhook's (http, https) and not a media socket's (ws, wss)."""
    return url.startswith(("http:", "https:"))
