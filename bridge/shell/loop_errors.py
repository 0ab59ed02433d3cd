"""Keeps connections that fail out of the event loop's own log, which writes a traceback for each.

aiofastnet 1.2.0 reports a peer that leaves during the TLS handshake as an error of the program: it hands the loop the
class of an exception, and the loop's handler fails on it.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bridge.shell.sampled_log import SampledLog


@contextmanager
def connection_errors_in_one_line() -> Iterator[None]:
    """Inside, an error of a transport that comes from its network is a line at debug, at most one a second."""
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    lines = SampledLog()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "transport" in context and _is_of_network(context.get("exception")):
            lines.write("debug", "error", "= connection failed", reason=str(context.get("message", "")))
        elif before is not None:
            before(loop, context)
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
    try:
        yield
    finally:
        loop.set_exception_handler(before)


def _is_of_network(error: object) -> bool:
    return isinstance(error, OSError) or (isinstance(error, type) and issubclass(error, OSError))
