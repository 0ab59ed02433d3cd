"""The assistants by kind; a new one is one file and one line here."""

from collections.abc import Callable

from bridge.assistants.echo import Echo
from bridge.assistants.parrot import Parrot
from bridge.contracts import Assistant

ASSISTANTS: dict[str, Callable[[], Assistant]] = {
    "echo": Echo,
    "parrot": Parrot,
}
