"""Tasks that are cancelled, and what such a task keeps."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any


async def without_traceback(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do `work`, all of a task. If it is cancelled, so is the task, but the task then keeps no frame of the work.

    A cancelled task keeps its exception, whose traceback has the frames. Where they refer to an object that refers to the
    task, only the garbage collector could find both.
    """
    working = work()
    del work  # it refers to the object as well
    with suppress(asyncio.CancelledError):
        await working
        return
    raise asyncio.CancelledError
