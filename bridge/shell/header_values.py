"""Reads the values of headers that expire: from files, and from commands, whose output is kept until shortly before its end.

A file is read for each new connection. A command runs in a process of its own, never more than once at a time; once it
was needed it runs again when `RENEW_AFTER` of its time is over. Neither a value nor the output of a command is ever part
of an error's text. Units: seconds.
"""

import asyncio
import os
import signal
from contextlib import suppress
from typing import TypeGuard

import structlog

from bridge.settings.header_values import HeaderSource, Unresolved
from bridge.vocabulary.errors import ConfigurationError

COMMAND_TIMEOUT_S = 30.0
"""Time limit of a command. A call waits no longer than for its connection; a command that is late serves the next one."""

RENEW_AFTER = 0.8
"""The part of a value's time after which its command runs again."""

TRY_AGAIN_S = 30.0
"""After a command that failed. Until it succeeds the last value is sent; the server may still take it."""

MOST_BYTES = 65_536
"""Of a value. The tokens of some identity providers have ten thousand characters."""

log = structlog.get_logger()


class HeaderReader:
    """The values of one server."""

    def __init__(self) -> None:
        self._values: dict[HeaderSource, str] = {}
        self._good_until: dict[HeaderSource, float] = {}
        self._running: dict[HeaderSource, asyncio.Task[str]] = {}
        self._timers: dict[HeaderSource, asyncio.TimerHandle] = {}
        self._is_closed = False

    def prepare(self, headers: Unresolved) -> None:
        """Run the commands now, so that the first call finds their values."""
        for value in headers.values():
            if _is_command(value):
                self._run(value)

    async def resolve(self, headers: Unresolved) -> dict[str, str]:
        """Return the headers as they are sent. Raises `ConfigurationError` if a value cannot be read."""
        return {name: await self._value(name, value) for name, value in headers.items()}

    async def renew(self, headers: Unresolved, sent: dict[str, str]) -> dict[str, str] | None:
        """The server refused the headers that were sent: read them again. Returns None if that changes nothing."""
        for value in headers.values():
            if _is_command(value) and self._values.get(value) in sent.values():
                self._good_until.pop(value, None)
        try:
            renewed = await self.resolve(headers)
        except ConfigurationError as error:
            log.warning("= headers not renewed", reason=str(error))
            return None
        return None if renewed == sent else renewed

    async def aclose(self) -> None:
        """Stop what runs."""
        self._is_closed = True
        for timer in self._timers.values():
            timer.cancel()
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _value(self, name: str, value: str | HeaderSource) -> str:
        if isinstance(value, str):
            return value
        try:
            if value.file is not None:
                return read_file(value)
            if asyncio.get_running_loop().time() < self._good_until.get(value, 0.0):
                return self._values[value]
            return await asyncio.shield(self._run(value))
        except ConfigurationError as error:
            if _is_command(value) and value in self._values and value in self._good_until:
                return self._values[value]
            raise ConfigurationError(f"header {name}: {error}") from None

    def _run(self, source: HeaderSource) -> asyncio.Task[str]:
        task = self._running.get(source)
        if task is None:
            task = self._running[source] = asyncio.create_task(run_command(source), name="header command")
            task.add_done_callback(lambda task: self._ran(source, task))
        return task

    def _ran(self, source: HeaderSource, task: asyncio.Task[str]) -> None:
        del self._running[source]
        if task.cancelled() or self._is_closed:
            return
        again_s = TRY_AGAIN_S
        loop = asyncio.get_running_loop()
        if (error := task.exception()) is None:
            self._values[source] = task.result()
            self._good_until[source] = loop.time() + source.for_s
            again_s = RENEW_AFTER * source.for_s
        else:
            log.warning("= header not read", reason=str(error))
        if source in self._timers:
            self._timers[source].cancel()
        self._timers[source] = loop.call_later(again_s, self._run, source)


def _is_command(value: str | HeaderSource) -> TypeGuard[HeaderSource]:
    return isinstance(value, HeaderSource) and value.command is not None


def read_file(source: HeaderSource) -> str:
    """The value that stands in a file. Raises `ConfigurationError`."""
    assert source.file is not None
    try:
        with source.file.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{source.file}: {error.strerror}; should be a text file") from None
    return source.prefix + _checked(text, str(source.file))


async def run_command(source: HeaderSource) -> str:
    """The value that a command prints. Raises `ConfigurationError`, with the exit code and without its output."""
    assert source.command is not None
    try:
        process = await asyncio.create_subprocess_exec(
            *source.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # so that what it starts ends with it
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise ConfigurationError(f"{source}: {why}") from None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            text = bytearray()
            while len(text) <= MOST_BYTES and (piece := await process.stdout.read(MOST_BYTES)):
                text += piece
            code = await process.wait() if len(text) <= MOST_BYTES else 0
    except TimeoutError:
        raise ConfigurationError(f"{source} did not end within {COMMAND_TIMEOUT_S:g} s") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if code:
        raise ConfigurationError(f"{source} failed with exit code {code}")
    return source.prefix + _checked(bytes(text), str(source))


def _checked(text: bytes, place: str) -> str:
    value = text.decode("ascii", errors="replace").strip()
    if not value:
        raise ConfigurationError(f"{place} is empty: should hold the value of a header")
    if len(text) > MOST_BYTES or not (value.isascii() and value.isprintable()):
        raise ConfigurationError(f"{place} is not the value of a header: should be one line of ASCII")
    return value
