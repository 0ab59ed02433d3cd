"""Tells people on a terminal what a command is doing that takes a while. Elsewhere nothing is written."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Say = Callable[[str], None]
"""Says what is being done now."""


@contextmanager
def progress() -> Iterator[Say]:
    """On a terminal: each step on a line of standard error, with its time; the last one counts the seconds."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda _step: None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(finished_text="·"), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console) as shown:

        def say(step: str) -> None:
            finish()
            shown.add_task(step, total=1)

        def finish() -> None:
            for task in shown.tasks:
                shown.update(task.id, completed=1)

        try:
            yield say
        finally:
            finish()
