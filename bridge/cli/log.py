"""The log: one line an event on standard error, for people on a terminal, JSON elsewhere. Never audio, keys or numbers.

Every line goes through `redacted`, whoever wrote it, and then to a thread: the log can neither stop a call nor fail it.
"""

import atexit
import logging
import sys
import threading
from collections.abc import Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any

import structlog

from bridge.redaction import HIDDEN, LONGEST_SHOWN, for_log, is_secret, safe_id
from bridge.shell.log_writer import LogWriter

IDS = frozenset({"call_id", "stream_id", "tool_call_id", "item", "CallSid", "StreamSid"})
"""Fields that hold names of calls, streams and the like, which look like keys: see `safe_id`."""

_is_secret_field = lru_cache(1_000)(is_secret)  # the names are those of this program, and a few

OUR_OWN = frozenset({"level", "timestamp"})
"""Fields that are shown as they are."""

MOST_LETTERS = {"exception": 20_000}
"""Fields that may be longer than others: a traceback."""


def configure(level: str, **always: object) -> None:
    """`level`: debug, info, warning or error. `always`: fields of every line."""
    people = sys.stderr.isatty()
    writer = LogWriter(_standard_error())
    atexit.register(writer.close)
    structlog.configure(
        processors=[
            lambda _logger, _method, fields: {**fields, **always},
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if people else "iso", utc=not people),
            structlog.processors.format_exc_info,  # without local variables: they may be what the caller said
            redacted,
            structlog.dev.ConsoleRenderer() if people else structlog.processors.JSONRenderer(),
        ],
        logger_factory=lambda *_: _LineLogger(writer),
    )
    set_level(level)
    logging.basicConfig(level=logging.WARNING, handlers=[_LineHandler(writer)], force=True)
    logging.captureWarnings(True)
    sys.excepthook = _report_crash
    threading.excepthook = _report_thread


def set_level(level: str) -> None:
    """From now on lines of this level are logged, and more important ones."""
    wrapper = structlog.make_filtering_bound_logger(getattr(logging, level.upper()))
    structlog.configure(**structlog.get_config() | {"wrapper_class": wrapper})


def _standard_error() -> int:
    try:
        return sys.stderr.fileno()
    except OSError:  # something in this process has put an object without a file in its place
        return 2


def _report_crash(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """What nobody caught: Python would write it past the mask."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, where)
    else:
        structlog.get_logger().critical("= voicebridge failed", exc_info=(kind, error, where))


def _report_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None:
        name = "" if failed.thread is None else failed.thread.name
        told = (failed.exc_type, failed.exc_value, failed.exc_traceback)
        structlog.get_logger().error("= a thread failed", thread=name, exc_info=told)


def redacted(_logger: object, _method: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A processor of structlog: masks keys, addresses and numbers in every text of a line."""
    return {name: _shown(name, value) for name, value in fields.items()}


def _shown(name: str, value: Any) -> Any:
    if name in OUR_OWN:
        return value
    if name in IDS:
        return safe_id(str(value))
    return HIDDEN if _is_secret_field(name) else _masked(value, MOST_LETTERS.get(name, LONGEST_SHOWN))


def _masked(value: Any, most: int) -> Any:
    match value:
        case str():
            return for_log(value, most)
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {
                for_log(str(name)): HIDDEN if is_secret(str(name)) else _masked(inner, most)
                for name, inner in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [_masked(inner, most) for inner in value]
        case _:
            return for_log(str(value))


class _LineLogger:
    """What structlog hands its rendered lines to."""

    def __init__(self, writer: LogWriter) -> None:
        self.msg = self.debug = self.info = self.warning = self.error = self.critical = writer.write
        self.exception = self.log = self.fatal = writer.write


class _LineHandler(logging.Handler):
    """The lines of libraries that log in the standard library's way."""

    def __init__(self, writer: LogWriter) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises: a record that cannot be formatted is told without its arguments."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001  # a wrong format in a library
            line = f"{record.name}: {record.msg}"
        self._writer.write(for_log(line))
