"""What a tool is: its time and a way to run it; what it may know of the call, and how it says no."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bridge.vocabulary.errors import BridgeError

LONGEST_OUTPUT = 32_768
"""Characters; some ten thousand tokens, which are billed with every turn that follows. What is beyond is cut off."""


@dataclass(frozen=True, slots=True)
class CallFacts:
    """The call that a function works for. A function that has a parameter of this type is given it."""

    call_id: str
    """The carrier's name for the call."""
    assistant: str
    """The assistant that called the tool, by its name in the settings."""
    parameters: Mapping[str, str]
    """The stream's custom parameters, as the carrier handed them on."""


class ToolRefused(BridgeError):
    """A tool could not do what was asked, by no fault in its code.

    The text is for the assistant, and may quote what it wrote; `kind` is for the log, and quotes nothing.
    """

    def __init__(self, why: str, kind: str) -> None:
        super().__init__(why)
        self.kind = kind


class Tool(Protocol):
    """One tool of one assistant; it may run many times at once."""

    timeout_s: float
    """How long the assistant waits for its output."""

    async def run(self, arguments: str, facts: CallFacts) -> object:
        """`arguments`: JSON as the assistant wrote it. Returns text, or anything that has a JSON form.

        Raises `ToolRefused`; any other exception is a fault in the tool's code.
        """
        ...
