"""What the bridge has the assistant say in words of its own: greeting, recovery, prompt, farewell, filler.

Instructions for one response may take the place of the session's, so the assistant's character is told again each time.
"""

from enum import StrEnum
from typing import NamedTuple, Protocol


class Purpose(StrEnum):
    """Why a response is wanted."""

    REPLY = "reply"
    """To whatever is new in the conversation; it is not scripted. A server's own responses count as such."""
    GREETING = "greeting"
    RECOVERY = "recovery"
    PROMPT = "prompt"
    """What the caller is to type; it may be left out if something newer is to be said."""
    FAREWELL = "farewell"
    FILLER = "filler"
    """No part of the conversation."""


class ScriptedResponse(NamedTuple):
    """One response that the bridge asks for."""

    purpose: Purpose
    instructions: str
    """For the model, with the assistant's character before them."""
    may_call_tools: bool = False


class SayOrInstruct(Protocol):
    """A sentence, or instructions to find one; one of the two is None."""

    @property
    def say(self) -> str | None: ...

    @property
    def instructions(self) -> str | None: ...


class ScriptedResponses:
    """The responses of one assistant. `character`: its instructions for the whole session."""

    def __init__(self, character: str) -> None:
        self.character = character
        """It may change before the first response."""

    def greeting(self, words: SayOrInstruct) -> ScriptedResponse:
        """The first words of the call."""
        if words.say is not None:
            return self._exactly(Purpose.GREETING, words.say)
        instructions = self._in_character(words.instructions or "")
        return ScriptedResponse(Purpose.GREETING, instructions, may_call_tools=True)

    def briefing(self, instructions: str) -> ScriptedResponse:
        """The first words to a person who is briefed."""
        return ScriptedResponse(Purpose.GREETING, self._in_character(instructions))

    def recovery(self, say: str) -> ScriptedResponse:
        """The first words after a connection was lost."""
        return self._exactly(Purpose.RECOVERY, say)

    def prompt(self, say: str) -> ScriptedResponse:
        """What the caller is to type."""
        return self._exactly(Purpose.PROMPT, say)

    def farewell(self, instructions: str) -> ScriptedResponse:
        """The last words of the call."""
        return ScriptedResponse(Purpose.FAREWELL, self._in_character(instructions))

    def filler(self, say: str) -> ScriptedResponse:
        """A word while the caller waits for a tool."""
        return self._exactly(Purpose.FILLER, say)

    def _exactly(self, purpose: Purpose, say: str) -> ScriptedResponse:
        instructions = self._in_character(f'Say exactly this and nothing else: "{say}"')
        return ScriptedResponse(purpose, instructions)

    def _in_character(self, instructions: str) -> str:
        return f"{self.character}\n\n{instructions}" if self.character else instructions
