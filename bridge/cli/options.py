"""What several commands share: options, loading the settings, and running a coroutine until its end or ctrl-C."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from bridge.simulators.interruption import Interruption
from bridge.vocabulary.errors import BridgeError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from bridge.config.settings import Settings

T = TypeVar("T")

INTERRUPTED = 128 + 2
"""The exit code of a command that ctrl-C ended, as shells have it: 128 and the number of SIGINT."""

SHOW_CURSOR = b"\x1b[?25h"
"""Progress bars hide it (xterm control sequences: DECTCEM)."""

ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="The settings' file.", show_default="voicebridge.toml, if there")
]  # fmt: skip
Host = Annotated[str | None, typer.Option(help="Address to bind.", show_default="127.0.0.1")]
Port = Annotated[int | None, typer.Option(help="Port to bind; 0 for any.", show_default="8080")]
CertFile = Annotated[Path | None, typer.Option(help="TLS certificate chain, PEM.")]
KeyFile = Annotated[Path | None, typer.Option(help="TLS private key, PEM.")]
LogLevel = Annotated[str | None, typer.Option(help="debug, info, warning or error.")]
Workers = Annotated[int | None, typer.Option(help="Processes that carry calls.", show_default="1")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

# What a simulated phone does, for `call` and `load`

CalledUrl = Annotated[str, typer.Argument(help="A voice webhook (http, https) or a media socket (ws, wss).")]
Keys = Annotated[str, typer.Option(help='Keys and when: "1@2.5s,2@2.8s".')]
Reorder = Annotated[str, typer.Option(help="Frames that change places with the next: 0.05 or 5%.")]
Loss = Annotated[str, typer.Option(help="Frames that are lost.")]
CarrierName = Annotated[str, typer.Option(show_default="the first")]
Codec = Annotated[
    str,
    typer.Option(
        help="What a carrier with a choice of codecs sends: PCMU, PCMA, L16, G722 or OPUS.",
        show_default="PCMU",
    ),
]
Rate = Annotated[int, typer.Option(help="Its sampling rate, Hz.", show_default="the codec's own")]
PlayRate = Annotated[int, typer.Option(help="Its sampling rate, Hz.", show_default="as --rate")]
ByteOrder = Annotated[str, typer.Option(help="Of L16: little or big.")]
SignKey = Annotated[
    Path | None,
    typer.Option(
        help="For a carrier that signs with a private key: an Ed25519 key of your own, a PEM file.",
        show_default="a published test key",
    ),
]


def load_settings(file: Path | None, **flags: Any) -> "Settings":
    """The settings in force. `flags`: options that are settings; None is one that was not given."""
    from bridge.config.settings import load

    return load(flags, file=file)


class Interrupted(BridgeError):
    """The command was ended by ctrl-C."""


def run(work: "Coroutine[Any, Any, T]") -> T:
    """Run a coroutine to its end, on uvloop where that is installed. Raises `Interrupted` on ctrl-C."""
    return run_interruptible(lambda _interruption: work)


def run_interruptible(work: "Callable[[Interruption], Coroutine[Any, Any, T]]") -> T:
    """Run a coroutine to its end; the first ctrl-C ends it as its `Interruption` says, a second one cancels it.

    Raises `Interrupted` if it was cancelled, or failed after ctrl-C.
    """
    import asyncio

    interruption = Interruption()
    restored = signal.getsignal(signal.SIGINT)
    if _hears_ctrl_c():
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what asyncio expects
    try:
        runner: Callable[[Coroutine[Any, Any, T]], T] = asyncio.run
        with suppress(ImportError):
            from uvloop import run as runner
        return runner(_watched(work, interruption))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise Interrupted("interrupted") from None
    except BridgeError as error:
        if interruption.happened:
            raise Interrupted(f"interrupted: {error}") from None
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, restored)


def _hears_ctrl_c() -> bool:
    """Whether ctrl-C is for this command: it may be ignored, as in the background, and only a main thread gets it."""
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


async def _watched(work: "Callable[[Interruption], Coroutine[Any, Any, T]]", interruption: Interruption) -> T:
    """The work, with ctrl-C watched. The work may replace the watch by one of its own, as `serve` does."""
    import asyncio

    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def interrupted() -> None:
        if not interruption.interrupt():
            task.cancel()

    watches = _hears_ctrl_c()
    if watches:
        loop.add_signal_handler(signal.SIGINT, interrupted)
    try:
        return await work(interruption)
    finally:
        if watches:
            loop.remove_signal_handler(signal.SIGINT)
            signal.signal(signal.SIGINT, _leave_at_once)


def _leave_at_once(*_signal: object) -> None:
    """Ctrl-C while the loop ends, which may wait for threads: no traceback, and the terminal as it was."""
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), SHOW_CURSOR)
    os._exit(INTERRUPTED)
