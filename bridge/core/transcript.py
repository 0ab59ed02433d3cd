"""The transcript of a call: the caller's words as they were understood, the assistant's as far as they were heard.

Utterances stand in the order in which they were spoken, though their words may come later. A reply that was cut
keeps the share of its words that was heard; which words these are is an estimate, for text carries no time.
"""

from dataclasses import dataclass

from bridge.vocabulary.events import Said, Speaker

MOST_LETTERS = 20_000
"""The most text of a call that the next assistant is given, the latest: an hour of talk."""

LETTER_MS = 60
"""How long a letter takes to say, in fast speech."""

CUT = " …"
"""Appended to a reply that was not heard to its end."""


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
    """The transcript of one call. Items are an assistant's names for utterances; the next one may use the same names."""

    def __init__(self) -> None:
        self._turns: list[_Turn] = []
        self._names: dict[str, _Turn] = {}  # of the active assistant

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

    def said(self) -> tuple[Said, ...]:
        """Return what the next assistant is given as history: the latest turns, up to `MOST_LETTERS`."""
        history: list[Said] = []
        room = MOST_LETTERS
        for turn in reversed(self._turns):
            room -= len(turn.text)
            if room < 0:
                break
            if turn.text:
                history.append(Said(turn.who, turn.text))
        return tuple(reversed(history))
