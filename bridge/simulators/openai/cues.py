"""Whose turn it is in the script: what has come since the last response decides on the reply.

Instructions come first, then answers of tools, then text, then the caller's turns. A response that is asked for with
nothing new is the greeting, or, once somebody has said something, the next of the caller's turns.
"""

import re
from collections import Counter
from collections.abc import Callable

from bridge.simulators.openai.script import CHEERFUL, Reply, Script

QUOTED = re.compile(
    r'"([^"]+)"|\u201c([^\u201d]+)\u201d|\u00ab([^\u00bb]+)\u00bb|\u201e([^\u201c\u201d]+)[\u201c\u201d]'
    r"|(?<!\w)['\u2018](.+?)['\u2019](?!\w)",
    re.DOTALL,
)


class Cues:
    """What has come in one conversation, and the replies used so far."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._used: Counter[str] = Counter()
        self._outputs: list[str] = []
        self._texts: list[str] = []
        self._instructions = ""
        self._begun = False

    def speak(self) -> None:
        """The caller said something; what was typed before is older than that."""
        self._begun = True
        self._texts.clear()

    def type(self, text: str, role: str) -> None:
        """A text item: of the system it instructs, of the user it is the caller's turn."""
        if role == "system":
            self._instructions = text
        elif role == "user":
            self._begun = True
            self._texts.append(text)

    def answer(self, tool: str) -> None:
        """A call of this tool was answered."""
        self._begun = True
        self._outputs.append(tool)

    def reply(self, instructions: str = "") -> Reply:
        """The reply to a response of the conversation, asked for with these instructions or with none."""
        told = instructions or self._instructions
        outputs, texts = self._outputs, self._texts
        self._outputs, self._texts, self._instructions = [], [], ""
        if instructions or (told and not outputs and not texts):
            return self.instructed(told)
        cued = self._next("output", lambda reply: reply.on_output in {"", *outputs} if outputs else False)
        cued = cued or self._next(
            "text", lambda reply: reply.on_text is not None and any(reply.on_text in text for text in texts)
        )
        if cued is not None:
            return cued
        return self._plain() if self._begun else self.instructed("")

    def instructed(self, instructions: str) -> Reply:
        """The words that the instructions have in quotes, if the script does not say otherwise."""
        cued = self._next(
            "instructions",
            lambda reply: reply.on_instructions is not None and reply.on_instructions in instructions,
        )
        reply = cued or Reply()
        if reply.speaks or reply.calls:
            return reply
        return reply.model_copy(update={"say": (quoted(instructions) or self._script.greeting,)})

    def _plain(self) -> Reply:
        if any(reply.is_plain for reply in self._script.replies):
            reply = self._next("plain", lambda reply: reply.is_plain)
            assert reply is not None
            return reply
        self._used["plain"] += 1
        return CHEERFUL[(self._used["plain"] - 1) % len(CHEERFUL)]

    def _next(self, kind: str, fits: Callable[[Reply], bool]) -> Reply | None:
        """The next in turn of those that fit. Kinds with other words in their cue do not take each other's turn."""
        fitting = [reply for reply in self._script.replies if fits(reply)]
        if not fitting:
            return None
        turn = f"{kind} {[self._script.replies.index(reply) for reply in fitting]}"
        self._used[turn] += 1
        return fitting[(self._used[turn] - 1) % len(fitting)]


def quoted(instructions: str) -> str:
    """The first words in quotes; empty if there are none."""
    found = QUOTED.search(instructions)
    return next(filter(None, found.groups()), "") if found else ""
