"""Chooses the script's reply for a response, by what has come since the last response.

Instructions come first, then outputs of tools, then text, then the caller's turns. A response that is asked for without
any of these is the greeting, or, once the conversation has begun, the reply to the next of the caller's turns.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection

from bridge.simulators.openai.script import CHEERFUL, OpenAIScript, ScriptedReply
from bridge.simulators.scripts import is_meant

QUOTED = re.compile(
    r'"([^"]+)"|\u201c([^\u201d]+)\u201d|\u00ab([^\u00bb]+)\u00bb|\u201e([^\u201c\u201d]+)[\u201c\u201d]'
    r"|(?<!\w)['\u2018](.+?)['\u2019](?!\w)",
    re.DOTALL,
)


class ReplyChooser:
    """Chooses the replies of one conversation. `number`: of its connection, from 1. `tools`: the names it has now."""

    def __init__(
        self, script: OpenAIScript, number: int = 1, tools: Callable[[], Collection[str]] = lambda: ()
    ) -> None:
        self._script = script
        self._number = number
        self._tools = tools
        self._used: Counter[str] = Counter()
        self._outputs: list[str] = []
        self._texts: list[str] = []
        self._instructions = ""
        self._begun = False

    def speak(self) -> None:
        """The caller said something, which replaces text that came before."""
        self._begun = True
        self._texts.clear()

    def type(self, text: str, role: str) -> None:
        """A text item came: instructions if its role is system, a turn of the caller if it is user.

        Words of the assistant's are told again: what came before them is answered.
        """
        if role == "system":
            self._instructions = text
        elif role == "assistant":
            self._outputs.clear()
            self._texts.clear()
        elif role == "user":
            self._begun = True
            self._texts.append(text)

    def answer(self, tool: str) -> None:
        """The output of this tool came."""
        self._begun = True
        self._outputs.append(tool)

    def reply(self, instructions: str = "") -> ScriptedReply:
        """The reply for a response in the conversation, which was asked for with these instructions or with none."""
        wanted = instructions or self._instructions
        outputs, texts = self._outputs, self._texts
        self._outputs, self._texts, self._instructions = [], [], ""
        if instructions or (wanted and not outputs and not texts):
            return self.instructed(wanted)
        cued = self._next("output", lambda reply: reply.on_output in {"", *outputs} if outputs else False)
        cued = cued or self._next(
            "text", lambda reply: reply.on_text is not None and any(reply.on_text in text for text in texts)
        )
        if cued is not None:
            return cued
        return self._plain() if self._begun else self.instructed("")

    def instructed(self, instructions: str) -> ScriptedReply:
        """The script's reply to instructions; if it has none, the words that the instructions have in quotes."""
        cued = self._next(
            "instructions",
            lambda reply: reply.on_instructions is not None and reply.on_instructions in instructions,
        )
        reply = cued or ScriptedReply()
        if reply.speaks or reply.calls:
            return reply
        return reply.model_copy(update={"say": (quoted(instructions) or self._script.greeting,)})

    def _plain(self) -> ScriptedReply:
        if any(reply.is_plain and self._is_here(reply) for reply in self._script.replies):
            reply = self._next("plain", lambda reply: reply.is_plain)
            assert reply is not None
            return reply
        self._used["plain"] += 1
        return CHEERFUL[(self._used["plain"] - 1) % len(CHEERFUL)]

    def _is_here(self, reply: ScriptedReply) -> bool:
        """Whether a reply is meant for this connection, with the tools that it has now."""
        return is_meant(reply.connections, self._number) and reply.with_tool in (None, *self._tools())

    def _next(self, kind: str, fits: Callable[[ScriptedReply], bool]) -> ScriptedReply | None:
        """The next of the replies that fit, which are used in turn; None if no reply fits.

        Each set of fitting replies has a turn of its own.
        """
        fitting = [reply for reply in self._script.replies if self._is_here(reply) and fits(reply)]
        if not fitting:
            return None
        turn = f"{kind} {[self._script.replies.index(reply) for reply in fitting]}"
        self._used[turn] += 1
        return fitting[(self._used[turn] - 1) % len(fitting)]


def quoted(instructions: str) -> str:
    """The first words in quotes, in any of several kinds of quotes; empty if there are none."""
    found = QUOTED.search(instructions)
    return next(filter(None, found.groups()), "") if found else ""
