"""Tools that are Python functions of the user's: found as "package.module:function", called with the model's arguments.

An async function runs in the event loop and must not block it; any other function runs in a thread.
"""

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from bridge.settings.assistants import ToolSettings
from bridge.tools.signature import Signature
from bridge.tools.threads import Threads
from bridge.tools.tool import CallFacts
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.errors import ConfigurationError

Function = Callable[..., Any]


class FunctionTool:
    """One function as a tool. Raises `ConfigurationError` if it cannot be found, or cannot be called with JSON arguments."""

    def __init__(self, name: str, settings: ToolSettings, threads: Threads) -> None:
        path = settings.function
        assert path is not None
        try:
            self._function = find(path)
            self._signature = Signature(self._function)
        except ConfigurationError as error:
            raise ConfigurationError(f"function = {path!r}: {error}") from error.__cause__
        description = settings.description or self._signature.description
        if not description:
            raise ConfigurationError(
                f"function = {path!r}: has no docstring; should have one, or the tool should have a description"
            )
        self._threads = threads
        self._is_async = inspect.iscoroutinefunction(self._function)
        self.schema = ToolSchema(name, description, self._signature.schema)
        self.timeout_s = settings.timeout_s

    async def run(self, arguments: str, facts: CallFacts) -> object:
        """See `Tool.run`."""
        given = self._signature.bind(arguments, facts)
        if self._is_async:
            return await self._function(**given)
        result = await self._threads.run(f"tool {self.schema.name}", partial(self._function, **given))
        # A decorator may hide that a function is async.
        return await result if inspect.isawaitable(result) else result


def find(path: str) -> Function:
    """The function at "package.module:function"; modules in the current directory come first.

    Raises `ConfigurationError`.
    """
    module_name, _, name = path.partition(":")
    module = _module(module_name)
    function = getattr(module, name, None)
    if function is None:
        raise ConfigurationError(f"module {module_name!r} has no function {name}; {_functions_in(module)}")
    if isinstance(function, type) or not callable(function):
        raise ConfigurationError(f"{name} is not a function; {_functions_in(module)}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(f"{name} is a generator: it should return its answer")
    found: Function = function
    return found


def _module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise ConfigurationError(
                f"there is no module {error.name!r}; it should be installed, or be in {here}"
            ) from error
        raise ConfigurationError(_import_failed(name, error)) from error
    except (Exception, SystemExit) as error:  # a script that was not meant to be imported ends here
        raise ConfigurationError(_import_failed(name, error)) from error


def _import_failed(name: str, error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        place = f"{error.filename}:{error.lineno}"
    else:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{frame.filename}:{frame.lineno}"
    return f"module {name!r} cannot be imported: {type(error).__name__}: {error} ({place})"


def _functions_in(module: ModuleType) -> str:
    names = [
        name
        for name, thing in vars(module).items()
        if callable(thing)
        and not isinstance(thing, type)
        and not name.startswith("_")
        and getattr(thing, "__module__", None) == module.__name__
    ]
    return f"it has {', '.join(names)}" if names else "it has none of its own"
