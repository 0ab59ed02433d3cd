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

MOST_LETTERS_OF_TURN = 10_000
"""The most text of one turn that is kept; what comes beyond it is ignored."""

MOST_TURNS = 2_000
"""The most turns that the next assistant is given, the latest. Older ones are forgotten when there are twice as many, or
twice `MOST_LETTERS`: not at each turn, for that would take longer with each turn."""

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

    @property
    def letters(self) -> int:
        return len(self.text)

    @property
    def is_running(self) -> bool:
        return False


@dataclass(slots=True)
class _Tool:
    tool_call_id: str
    tool: str
    arguments: str
    output: str | None = None

    def told(self) -> ToolUsed:
        return ToolUsed(self.tool_call_id, self.tool, self.arguments, self.output)

    @property
    def letters(self) -> int:
        return len(self.tool) + len(self.arguments) + len(self.output or "")

    @property
    def is_running(self) -> bool:
        return bool(self.tool_call_id) and self.output is None


class Transcript:
    """The transcript of one call. Items are an assistant's names for utterances; the next one may use the same names.

    What it keeps is bounded, whatever an assistant says: the latest turns, each up to `MOST_LETTERS_OF_TURN`.
    """

    def __init__(self) -> None:
        self._turns: list[_Turn | _Tool] = []
        self._names: dict[str, _Turn] = {}  # of the active assistant
        self._running: dict[str, _Tool] = {}  # by tool_call_id
        self._letters = 0  # at most so many are kept, for words may be cut or said anew
        self._most_turns, self._most_letters = (
            2 * MOST_TURNS,
            2 * MOST_LETTERS,
        )  # with more, old ones are forgotten

    @property
    def kept(self) -> tuple[int, int]:
        """How many turns are kept, and how many letters they have."""
        return len(self._turns), sum(turn.letters for turn in self._turns)

    def _turn(self, item: str, who: Speaker) -> _Turn:
        turn = self._names.get(item)
        if turn is None:
            turn = self._names[item] = _Turn(who)
            self._keep(turn)
        return turn

    def _keep(self, turn: _Turn | _Tool) -> None:
        self._turns.append(turn)
        self._letters += turn.letters
        self._forget()

    def _forget(self) -> None:
        """Once there are twice as many turns or letters as needed, keep those that the next assistant would be given."""
        if len(self._turns) <= self._most_turns and self._letters <= self._most_letters:
            return
        kept: list[_Turn | _Tool] = []
        letters = 0
        for turns, turn in enumerate(reversed(self._turns), 1):
            letters += turn.letters
            if turns == 1 or turn.is_running or (turns <= MOST_TURNS and letters <= MOST_LETTERS):
                kept.append(turn)
        self._turns = kept[::-1]
        self._letters = sum(turn.letters for turn in kept)
        self._most_turns = 2 * max(MOST_TURNS, len(kept))  # running tools are never forgotten
        self._most_letters = 2 * max(MOST_LETTERS, self._letters)
        known = {id(turn) for turn in kept}
        self._names = {item: turn for item, turn in self._names.items() if id(turn) in known}

    def caller_paused(self, item: str) -> None:
        """An utterance ended: here is its place, its words may follow."""
        if item:
            self._turn(item, Speaker.CALLER)

    def caller_said(self, item: str, text: str) -> None:
        """The words of an utterance are known."""
        turn = self._turn(item, Speaker.CALLER)
        turn.text = text[:MOST_LETTERS_OF_TURN].strip()
        self._letters += len(turn.text)
        self._forget()

    def caller_typed(self, text: str) -> None:
        """An entry on the keypad: its keys, or the placeholder of a sensitive one; ignored if it is empty."""
        if text:
            self._keep(_Turn(Speaker.CALLER, f"[keypad: {text}]"))

    def reply_said(self, item: str, text: str) -> None:
        """The next words of a reply; ignored once it was cut, or has `MOST_LETTERS_OF_TURN`."""
        turn = self._turn(item, Speaker.ASSISTANT)
        room = MOST_LETTERS_OF_TURN - len(turn.text)
        if not turn.over and room > 0:
            turn.text += text[:room]
            self._letters += min(room, len(text))
            self._forget()

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
        self._keep(called)

    def built_in_used(self, tool: str, arguments: str, output: str) -> None:
        """A built-in tool was used, which has its output at once."""
        self._keep(_Tool("", tool, _shortened_arguments(arguments), _shortened(output)))

    def tool_answered(self, tool_call_id: str, output: str) -> None:
        """An assistant was given the output of a tool that ran."""
        if (called := self._running.pop(tool_call_id, None)) is not None:
            called.output = _shortened(output)
            self._letters += len(called.output)
            self._forget()

    def history(self) -> History:
        """Return what the next assistant is told: the latest turns, up to `MOST_LETTERS`, and every tool that still runs."""
        history: list[Said | ToolUsed] = []
        room = MOST_LETTERS
        for turn in reversed(self._turns):
            if (told := turn.told()) is None:
                continue
            room -= turn.letters
            is_among = room >= 0 and len(history) < MOST_TURNS
            if is_among or turn.is_running:
                history.append(told)
        return tuple(reversed(history))


def _shortened(text: str) -> str:
    if len(text) <= MOST_LETTERS_OF_TOOL:
        return text
    return f"{text[:MOST_LETTERS_OF_TOOL]}{CUT} (shortened: it had {len(text)} characters)"


def _shortened_arguments(arguments: str) -> str:
    """Arguments that are too long become another JSON object: a part of the text would be none."""
    if len(arguments) <= MOST_LETTERS_OF_TOOL:
        return arguments
    return json.encode({"shortened": _shortened(arguments)}).decode()
