"""What the processes of one server tell each other: MessagePack, one message in each packet, over pairs of Unix sockets."""

from typing import TypeVar

from msgspec import Struct, msgpack

from bridge.observers.metrics.snapshot import Family

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
    """From a worker: it has a call, of which an authenticated webhook told."""

    carrier: str
    call_id: str


class TellMetrics(Struct, frozen=True, tag="tell metrics"):
    """To a worker: somebody asks for the figures."""


class ToldMetrics(Struct, frozen=True, tag="metrics"):
    """From a worker: a part of its figures; also before it ends, unasked."""

    families: list[Family]
    is_last: bool


ToWorker = HandedConnection | Stop | TellMetrics
FromWorker = Ready | Load | Alive | KnowsCall | ToldMetrics


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


ToForkServer = Fork | ReadSettings
FromForkServer = Exited | Forked | SettingsRead
