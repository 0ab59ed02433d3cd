"""An assistant's tools, made of functions, for the tests that run them."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from types import ModuleType
from typing import Any

import pytest

from bridge.settings.assistants import ToolSettings
from bridge.tools.toolbox import Toolbox
from bridge.vocabulary.contracts import Tools

GIVE_UP_S = 5.0
"""What a test that fails waits for."""

Users = Callable[..., object]


@pytest.fixture
async def make_toolbox(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Toolbox]]:
    """An assistant's tools, from users' functions. What goes wrong in a callback of the loop fails the test."""
    boxes: list[Toolbox] = []
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, fault: faults.append(fault))

    def make(*functions: Users, timeout_s: float = GIVE_UP_S) -> Toolbox:
        module = ModuleType("clinic")
        for function in functions:
            setattr(module, function.__name__, function)
        monkeypatch.setitem(sys.modules, "clinic", module)
        names = [function.__name__ for function in functions]
        box = Toolbox(
            "receptionist",
            {
                name: ToolSettings(function=f"clinic:{name}", description="Does it.", timeout_s=timeout_s)
                for name in names
            },
        )
        boxes.append(box)
        return box

    yield make
    for box in boxes:
        await box.aclose()
    assert not faults


@pytest.fixture
def open_toolbox(make_toolbox: Callable[..., Toolbox]) -> Callable[..., Tools]:
    """The tools of one call."""

    def open_one(*functions: Users, timeout_s: float = GIVE_UP_S) -> Tools:
        return make_toolbox(*functions, timeout_s=timeout_s).open(
            call_id="CA1", parameters={"language": "de"}
        )

    return open_one
