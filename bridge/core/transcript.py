"""What was said in a call, turn by turn: the caller's words as they were understood, the assistant's as far as heard.

Utterances stand in the order in which they were spoken, though their words may come later. A reply that was cut
keeps the share of its words that was heard; which words these are is an estimate, for text carries no time.
"""

from dataclasses import dataclass

from bridge.vocabulary.events import Said, Speaker

MOST_LETTERS = 20_000
"""Told of a call, the latest: an hour of talk."""

LETTER_MS = 60
"""What a letter takes to say, at the quick end of talk."""

CUT = " …"
"""Behind a reply that was not heard to its end."""


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


class Transcript:
    """One call's. Items are the assistant's names for utterances; the next assistant may give the same ones."""

    def __init__(self) -> None:
        self._turns: list[_Turn] = []
        self._names: dict[str, _Turn] = {}  # of the present assistant

    def _turn(self, item: str, who: Speaker) -> _Turn:
        turn = self._names.get(item)
        if turn is None:
            turn = self._names[item] = _Turn(who)
            self._turns.append(turn)
        return turn

    def caller_paused(self, item: str) -> None:
        """This is the utterance's place; its words may follow."""
        if item:
            self._turn(item, Speaker.CALLER)

    def caller_said(self, item: str, text: str) -> None:
        """The words of an utterance."""
        self._turn(item, Speaker.CALLER).text = text.strip()

    def caller_typed(self, text: str) -> None:
        """An entry on the keypad: its keys, or the name of a sensitive one; nothing where nothing was typed."""
        if text:
            self._turns.append(_Turn(Speaker.CALLER, f"[keypad: {text}]"))

    def reply_said(self, item: str, text: str) -> None:
        """The next words of a reply; none are taken once it was cut."""
        turn = self._turn(item, Speaker.ASSISTANT)
        if not turn.over:
            turn.text += text

    def reply_sounds(self, item: str) -> None:
        """The first sound of a reply."""
        self._turn(item, Speaker.ASSISTANT).sounded = True

    def cut(self, item: str, share: float) -> None:
        """Only this share of the reply, 0 to 1, was heard."""
        self._turn(item, Speaker.ASSISTANT).cut(share)

    def break_off(self, item: str | None, sounded_ms: float) -> None:
        """The assistant is gone. Of `item`, in its middle, came so much sound; words had run ahead of it."""
        for name, turn in self._names.items():
            if turn.who is Speaker.ASSISTANT and not turn.sounded:
                turn.cut(0.0)
            elif name == item and turn.text:
                turn.cut(min(1.0, sounded_ms / (len(turn.text) * LETTER_MS)))
        self._names.clear()

    def said(self) -> tuple[Said, ...]:
        """What is worth telling to whoever takes over, the latest `MOST_LETTERS` of it."""
        told: list[Said] = []
        room = MOST_LETTERS
        for turn in reversed(self._turns):
            room -= len(turn.text)
            if room < 0:
                break
            if turn.text:
                told.append(Said(turn.who, turn.text))
        return tuple(reversed(told))
