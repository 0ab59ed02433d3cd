"""What the processes of one server tell each other: MessagePack, one message in each packet, over pairs of Unix sockets."""

from typing import TypeVar

from msgspec import Struct, msgpack

from bridge.observers.metrics.snapshot import Family
from bridge.shell.control.access import KnownToken

MOST_BYTES = 131_072
"""The longest message: a request's head and body, with room to spare."""

T = TypeVar("T")

encode = msgpack.encode


class HandedConnection(Struct, frozen=True, tag="connection"):
    """To a worker, with the descriptor of a connection."""

    read: bytes
    """What was read from it: the request's head at least."""
    is_new: bool
    """Whether it may begin a call."""
    elsewhere: int = 0
    """Calls in the other workers, and those that may come of what was passed to them."""
    is_control: bool = False
    """Whether it came to the port of [control]."""


class Stop(Struct, frozen=True, tag="stop"):
    """To a worker: what a signal to stop is for a server without workers."""


class Ready(Struct, frozen=True, tag="ready"):
    """From a worker: it takes connections. `owner`: its name in the tokens that it mints."""

    owner: str


class Load(Struct, frozen=True, tag="load"):
    """From a worker, whenever it has changed."""

    received: int
    """Connections that may begin a call, since it started."""
    calls: int
    """Calls under way."""
    coming: int
    """Calls whose stream may still come, and connections of which it is not known yet whether they begin a call."""
    faults: dict[str, str] = {}
    """Why assistants cannot be reached, by their names."""


class Alive(Struct, frozen=True, tag="alive"):
    """From a worker, every second: its event loop runs."""


class KnowsCall(Struct, frozen=True, tag="knows"):
    """From a worker: it has a call, of which an authenticated webhook told, or whose stream was let in."""

    carrier: str
    call_id: str
    is_placed: bool = False
    """It placed the call, of which no webhook has told so far."""


class TellMetrics(Struct, frozen=True, tag="tell metrics"):
    """To a worker: somebody asks for the figures."""


class ToldMetrics(Struct, frozen=True, tag="metrics"):
    """From a worker: a part of its figures; also before it ends, unasked."""

    families: list[Family]
    is_last: bool


class WatchCalls(Struct, frozen=True, tag="watch calls"):
    """To a worker: somebody watches all calls, or nobody does any more. `share`: its part of what a viewer may be told."""

    on: bool
    share: float = 1.0


class TellCalls(Struct, frozen=True, tag="tell calls"):
    """To a worker: somebody asks for the calls under way."""


class ToldCalls(Struct, frozen=True, tag="calls"):
    """From a worker: a part of whole events of its live feed; a snapshot comes first, and for each `TellCalls`."""

    events: bytes
    is_last: bool


class NewTokens(Struct, frozen=True, tag="tokens"):
    """To a worker that has settings of before: the tokens of [control] and [metrics] as they are now."""

    tokens: list[KnownToken]
    metrics_token: str


ToWorker = HandedConnection | Stop | TellMetrics | WatchCalls | TellCalls | NewTokens
FromWorker = Ready | Load | Alive | KnowsCall | ToldMetrics | ToldCalls


class Fork(Struct, frozen=True, tag="fork"):
    """To the fork server, with the descriptor of the new worker's end of its pair of sockets.

    `place`: which of the server's workers it is, from 0 on.
    """

    number: int
    place: int
    port: int


class ReadSettings(Struct, frozen=True, tag="read"):
    """To the fork server: read the settings again, for workers to come."""


class Exited(Struct, frozen=True, tag="exited"):
    """From the fork server: a worker has ended. `status`: as `os.waitstatus_to_exitcode` has it, negative for a signal."""

    number: int
    status: int


class Forked(Struct, frozen=True, tag="forked"):
    """From the fork server: a worker was started."""

    number: int
    pid: int


class SettingsRead(Struct, frozen=True, tag="settings"):
    """From the fork server. With faults the settings before stay. `ignored`: what differs, and needs a restart."""

    faults: list[str]
    ignored: list[str]
    log_level: str
    tokens: list[KnownToken] = []
    """Those of [control]."""
    metrics_token: str = ""


ToForkServer = Fork | ReadSettings
FromForkServer = Exited | Forked | SettingsRead
