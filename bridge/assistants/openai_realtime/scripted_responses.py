"""The responses that the bridge asks for with words of its own: greeting, recovery, prompt, farewell, filler.

A response's instructions take the place of the session's, so the assistant's character is told again each time.
"""

from typing import Protocol

from bridge.assistants.openai_realtime.gate import Purpose, Request


class Words(Protocol):
    """A sentence, or instructions to find one."""

    @property
    def say(self) -> str | None: ...

    @property
    def instructions(self) -> str | None: ...


class ScriptedResponses:
    """What an assistant of this character says. `character`: the session's instructions."""

    def __init__(self, character: str) -> None:
        self._character = character

    def greeting(self, words: Words) -> Request:
        """The first words of the call."""
        if words.say is not None:
            return Request(Purpose.GREETING, self._exactly(words.say))
        return Request(Purpose.GREETING, {"instructions": self._told(words.instructions or "")})

    def recovery(self, say: str) -> Request:
        """The first words after a connection was lost."""
        return Request(Purpose.RECOVERY, self._exactly(say))

    def prompt(self, say: str) -> Request:
        """What the caller is to type."""
        return Request(Purpose.PROMPT, self._exactly(say))

    def farewell(self, instructions: str) -> Request:
        """The last words of the call."""
        return Request(Purpose.FAREWELL, {"instructions": self._told(instructions), "tool_choice": "none"})

    def filler(self, say: str) -> Request:
        """A word while the caller waits; it is no part of the conversation."""
        return Request(Purpose.FILLER, self._exactly(say) | {"conversation": "none", "input": []})

    def _exactly(self, say: str) -> dict[str, object]:
        instructions = self._told(f'Say exactly this and nothing else: "{say}"')
        return {"instructions": instructions, "tool_choice": "none"}

    def _told(self, instructions: str) -> str:
        return f"{self._character}\n\n{instructions}" if self._character else instructions
