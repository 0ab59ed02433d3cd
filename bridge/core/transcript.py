"""The transcript of a call: the caller's words as they were understood, the assistant's as far as they were heard, and
the tools that were used.

Utterances stand in the order in which they were spoken, though their words may come later; a tool call stands where it
was made. A reply that was cut keeps the share of its words that was heard; which words these are is an estimate, for
text carries no time.
"""

from dataclasses import dataclass

from msgspec import json

from bridge.vocabulary.events import History, Said, Speaker, ToolUsed

MOST_LETTERS = 20_000
"""The most text of a call that the next assistant is given, the latest: an hour of talk."""

MOST_LETTERS_OF_TOOL = 4_000
"""The most letters of one tool's arguments, and of its output, that the next assistant is given."""

LETTER_MS = 60
"""How long a letter takes to say, in fast speech."""

CUT = " …"
"""Appended to a reply that was not heard to its end, and to an output that was shortened."""


@dataclass(slots=True)
class _Turn:
    who: Speaker
    text: str = ""
    sounded: bool = False
    over: bool = False

    def cut(self, share: float) -> None:
        if self.over:
            return
        self.over = True
        if share < 1:
            end = round(len(self.text) * share)
            heard, _, _ = self.text[: end + 1].rpartition(" ")  # whole words
            self.text = heard + CUT if heard else ""

    def told(self) -> Said | None:
        return Said(self.who, self.text) if self.text else None


@dataclass(slots=True)
class _Tool:
    tool_call_id: str
    tool: str
    arguments: str
    output: str | None = None

    def told(self) -> ToolUsed:
        return ToolUsed(self.tool_call_id, self.tool, self.arguments, self.output)


class Transcript:
    """The transcript of one call. Items are an assistant's names for utterances; the next one may use the same names."""

    def __init__(self) -> None:
        self._turns: list[_Turn | _Tool] = []
        self._names: dict[str, _Turn] = {}  # of the active assistant
        self._running: dict[str, _Tool] = {}  # by tool_call_id

    def _turn(self, item: str, who: Speaker) -> _Turn:
        turn = self._names.get(item)
        if turn is None:
            turn = self._names[item] = _Turn(who)
            self._turns.append(turn)
        return turn

    def caller_paused(self, item: str) -> None:
        """An utterance ended: here is its place, its words may follow."""
        if item:
            self._turn(item, Speaker.CALLER)

    def caller_said(self, item: str, text: str) -> None:
        """The words of an utterance are known."""
        self._turn(item, Speaker.CALLER).text = text.strip()

    def caller_typed(self, text: str) -> None:
        """An entry on the keypad: its keys, or the placeholder of a sensitive one; ignored if it is empty."""
        if text:
            self._turns.append(_Turn(Speaker.CALLER, f"[keypad: {text}]"))

    def reply_said(self, item: str, text: str) -> None:
        """The next words of a reply; ignored once it was cut."""
        turn = self._turn(item, Speaker.ASSISTANT)
        if not turn.over:
            turn.text += text

    def reply_sounds(self, item: str) -> None:
        """The first audio of a reply came."""
        self._turn(item, Speaker.ASSISTANT).sounded = True

    def cut(self, item: str, share: float) -> None:
        """Only this share of the reply, 0 to 1, was heard."""
        self._turn(item, Speaker.ASSISTANT).cut(share)

    def break_off(self, item: str | None, sounded_ms: float) -> None:
        """The assistant is gone in the middle of `item`, of which `sounded_ms` of audio came; its words had run ahead."""
        for name, turn in self._names.items():
            if turn.who is Speaker.ASSISTANT and not turn.sounded:
                turn.cut(0.0)
            elif name == item and turn.text:
                turn.cut(min(1.0, sounded_ms / (len(turn.text) * LETTER_MS)))
        self._names.clear()

    def tool_called(self, tool_call_id: str, tool: str, arguments: str) -> None:
        """A tool was called, and runs. The text of its arguments may not hold sensitive digits, nor that of its output."""
        called = _Tool(tool_call_id, tool, _shortened_arguments(arguments))
        self._running[tool_call_id] = called
        self._turns.append(called)

    def built_in_used(self, tool: str, arguments: str, output: str) -> None:
        """A built-in tool was used, which has its output at once."""
        self._turns.append(_Tool("", tool, _shortened_arguments(arguments), output))

    def tool_answered(self, tool_call_id: str, output: str) -> None:
        """An assistant was given the output of a tool that ran."""
        if (called := self._running.pop(tool_call_id, None)) is not None:
            called.output = _shortened(output)

    def history(self) -> History:
        """Return what the next assistant is told: the latest turns, up to `MOST_LETTERS`, and every tool that still runs."""
        history: list[Said | ToolUsed] = []
        room = MOST_LETTERS
        for turn in reversed(self._turns):
            if (told := turn.told()) is None:
                continue
            room -= _letters(told)
            if room >= 0 or (isinstance(told, ToolUsed) and told.output is None):
                history.append(told)
        return tuple(reversed(history))


def _letters(told: Said | ToolUsed) -> int:
    if isinstance(told, Said):
        return len(told.text)
    return len(told.tool) + len(told.arguments) + len(told.output or "")


def _shortened(text: str) -> str:
    if len(text) <= MOST_LETTERS_OF_TOOL:
        return text
    return f"{text[:MOST_LETTERS_OF_TOOL]}{CUT} (shortened: it had {len(text)} characters)"


def _shortened_arguments(arguments: str) -> str:
    """Arguments that are too long become another JSON object: a part of the text would be none."""
    if len(arguments) <= MOST_LETTERS_OF_TOOL:
        return arguments
    return json.encode({"shortened": _shortened(arguments)}).decode()
