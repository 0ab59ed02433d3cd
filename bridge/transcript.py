"""What was said in a call, turn by turn: the caller's words as they were understood, the assistant's as far as heard.

Utterances stand in the order in which they were spoken, though their words may come later. A reply that was cut
keeps the share of its words that was heard; which words these are is an estimate, for text carries no time.
"""

from dataclasses import dataclass

from bridge.events import Said, Speaker

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
    over: bool = False


class Transcript:
    """One call's. Items are the assistant's names for utterances."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}
        self._unnamed = 0

    def caller_paused(self, item: str) -> None:
        """This is the utterance's place; its words may follow."""
        if item:
            self._turns.setdefault(item, _Turn(Speaker.CALLER))

    def caller_said(self, item: str, text: str) -> None:
        """The words of an utterance."""
        self._turns.setdefault(item, _Turn(Speaker.CALLER)).text = text.strip()

    def caller_typed(self, digits: str) -> None:
        """An entry on the keypad."""
        self._unnamed += 1
        self._turns[f" {self._unnamed}"] = _Turn(Speaker.CALLER, f"[keypad: {digits}]")

    def reply_said(self, item: str, text: str) -> None:
        """The next words of a reply; none are taken once it was cut."""
        turn = self._turns.setdefault(item, _Turn(Speaker.ASSISTANT))
        if not turn.over:
            turn.text += text

    def cut(self, item: str, share: float) -> None:
        """Only this share of the reply, 0 to 1, was heard."""
        turn = self._turns.setdefault(item, _Turn(Speaker.ASSISTANT))
        if turn.over:
            return
        turn.over = True
        if share < 1:
            end = round(len(turn.text) * share)
            heard, _, _ = turn.text[: end + 1].rpartition(" ")  # whole words
            turn.text = heard + CUT if heard else ""

    def break_off(self, item: str, sounded_ms: float) -> None:
        """The reply broke off after so much sound; its words had run ahead."""
        turn = self._turns.get(item)
        if turn is not None and turn.text:
            self.cut(item, min(1.0, sounded_ms / (len(turn.text) * LETTER_MS)))

    def said(self) -> tuple[Said, ...]:
        """What is worth telling to whoever takes over, the latest `MOST_LETTERS` of it."""
        told: list[Said] = []
        room = MOST_LETTERS
        for turn in reversed(self._turns.values()):
            room -= len(turn.text)
            if room < 0:
                break
            if turn.text:
                told.append(Said(turn.who, turn.text))
        return tuple(reversed(told))
