"""The contract of a tool: its timeout, how it is run, what it may know of the call, and how it refuses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bridge.vocabulary.call_facts import Facts
from bridge.vocabulary.errors import BridgeError

LONGEST_OUTPUT = 32_768
"""Characters, about ten thousand tokens, which are billed again with every later turn. A longer output is cut off."""


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What a function may know of the call. It is passed to a parameter of this type, if the function has one."""

    call_id: str
    """The carrier's id of the call."""
    assistant: str
    """The assistant that called the tool, by its name in the settings."""
    parameters: Mapping[str, str]
    """The custom parameters of the carrier's stream, and those of the answer to [before_call]."""
    facts: Facts = Facts()  # noqa: RUF009  # frozen
    """Who calls whom: `facts.from_`, `facts.to`, `facts.caller_name`, `facts.variables` and more."""
    traceparent: str = ""
    """The place of this tool call in the trace, for requests of its own (W3C Trace Context); empty without traces."""


class ToolRefused(BridgeError):
    """A tool did not do what was asked, and its code is not at fault.

    The text is for the assistant, and may quote its arguments; `kind` is for the log, and quotes nothing.
    """

    def __init__(self, why: str, kind: str) -> None:
        super().__init__(why)
        self.kind = kind


class Tool(Protocol):
    """One tool of one assistant; it may run several times at once."""

    timeout_s: float
    """Seconds until the assistant is told that there is no output."""

    async def run(self, arguments: str, facts: CallFacts) -> object:
        """`arguments`: JSON text as the assistant wrote it. Returns text, or anything that has a JSON form.

        Raises `ToolRefused`; any other exception counts as an error in the tool's code.
        """
        ...
