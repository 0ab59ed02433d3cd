"""What a call cost and how it went: audio, tokens, and how long the caller waited for each reply.

A turn is an utterance of the caller's, spoken to its pause or typed to its end, and the wait that follows. It ends
when the mark behind the reply's first sound returns, when a clear throws that sound away, or when the caller goes on
before any came. Tools that run in between are part of the wait; what is said meanwhile, one moment please, is a reply
to the caller's ear, and to this account. No clock: `now` is seconds.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median_low
from typing import Any

from bridge.vocabulary.commands import AppendAudio, ClearPlayback, EnterDigits, PlayAudio, SendMark
from bridge.vocabulary.contracts import Account, Turn
from bridge.vocabulary.dispatch import on_bound
from bridge.vocabulary.events import (
    AssistantReady,
    MarkReached,
    ReplyAudio,
    SpeechStarted,
    SpeechStopped,
    TokensUsed,
    ToolCalled,
    Word,
)
from telecodecs.format import AudioFormat


class _Meter:
    """How much audio went one way. Its format may change from one assistant to the next; before one, it is nothing."""

    def __init__(self) -> None:
        self.bytes = 0
        """In the present format."""
        self._format: AudioFormat | None = None
        self._earlier_ms = 0.0

    def change(self, audio_format: AudioFormat) -> None:
        self._earlier_ms, self.bytes, self._format = self.ms, 0, audio_format

    @property
    def ms(self) -> float:
        return self._earlier_ms + (self._format.duration_ms(self.bytes) if self._format else 0.0)


@dataclass(slots=True)
class _Wait:
    """A turn that is not over. `since`: when the caller began to wait; the rest as in `Turn`."""

    since: float
    replied_ms: int | None = None
    sent_ms: int | None = None
    heard_ms: int | None = None

    def ms(self, now: float) -> int:
        return round((now - self.since) * 1000)


class Accounting:
    """One call's. It sees what a observer sees, and `account` adds it up."""

    def __init__(self) -> None:
        self._caller, self._assistant = _Meter(), _Meter()
        self._keys_ask = False
        self._counts: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self._items: set[str] = set()  # of this assistant's, those that had sound
        self._turns: list[_Wait] = []
        self._asked: _Wait | None = None  # waits for the assistant's sound
        self._replied: _Wait | None = None  # waits for it to go out
        self._sent: _Wait | None = None  # waits for the mark behind it to go out
        self._marked: dict[str, _Wait] = {}  # wait for their mark to come back
        self.sees: dict[type[Word], Callable[[Any, float], None]] = dict(
            [
                on_bound(AppendAudio, self._append),
                on_bound(ReplyAudio, self._reply),
                on_bound(PlayAudio, self._play),
                on_bound(SendMark, self._mark),
                on_bound(MarkReached, self._mark_reached),
                on_bound(ClearPlayback, self._clear),
                on_bound(SpeechStopped, self._ask),
                on_bound(EnterDigits, self._enter),
                on_bound(SpeechStarted, self._go_on),
                on_bound(AssistantReady, self._change),
                on_bound(ToolCalled, self._call_tool),
                on_bound(TokensUsed, self._use_tokens),
            ]
        )

    def saw(self, word: Word, now: float) -> None:
        """A word of `sees`: events before the core sees them, commands before they are performed, in order."""
        if (see := self.sees.get(type(word))) is not None:
            see(word, now)

    def account(self, counts: Mapping[str, int]) -> Account:
        """The sum so far. `counts`: the core's own."""
        told = {"turns": len(self._turns), **self._counts, **counts}
        return Account(
            counts={name: count for name, count in told.items() if count},
            tokens={kind: count for kind, count in self._tokens.items() if count},
            caller_s=self._caller.ms / 1000,
            assistant_s=self._assistant.ms / 1000,
            turns=[Turn(turn.replied_ms, turn.sent_ms, turn.heard_ms) for turn in self._turns],
        )

    # What it costs

    def _append(self, word: AppendAudio, _now: float) -> None:
        self._caller.bytes += len(word.audio)

    def _change(self, word: AssistantReady, _now: float) -> None:
        if word.is_standby:
            return
        self._caller.change(word.hears)
        self._assistant.change(word.speaks)
        self._keys_ask = word.keys_interrupt
        self._items.clear()  # another assistant may give the same names

    def _call_tool(self, _word: ToolCalled, _now: float) -> None:
        self._counts["tools"] += 1

    def _use_tokens(self, word: TokensUsed, _now: float) -> None:
        self._tokens.update(word.tokens)

    # A turn, step by step

    def _ask(self, _word: Word, now: float) -> None:
        self._asked = _Wait(now)
        self._turns.append(self._asked)

    def _enter(self, word: EnterDigits, now: float) -> None:
        if self._keys_ask:
            self._ask(word, now)

    def _go_on(self, _word: SpeechStarted, _now: float) -> None:
        self._asked = None

    def _reply(self, word: ReplyAudio, now: float) -> None:
        self._assistant.bytes += len(word.audio)
        if word.item in self._items:
            return
        self._items.add(word.item)
        self._counts["replies"] += 1
        if self._asked is not None:
            self._asked.replied_ms = self._asked.ms(now)
            self._replied, self._asked = self._asked, None

    def _play(self, _word: PlayAudio, now: float) -> None:
        if self._replied is not None:
            self._replied.sent_ms = self._replied.ms(now)
            self._sent, self._replied = self._replied, None

    def _mark(self, word: SendMark, _now: float) -> None:
        if self._sent is not None:
            self._marked[word.name] = self._sent
            self._sent = None

    def _mark_reached(self, word: MarkReached, now: float) -> None:
        if (turn := self._marked.pop(word.name, None)) is not None:
            turn.heard_ms = turn.ms(now)

    def _clear(self, _word: ClearPlayback, _now: float) -> None:
        """What is not proved to be heard by now never will be."""
        self._replied = self._sent = None
        self._marked.clear()


def summary(account: Account) -> dict[str, int | float]:
    """For a line of the log: counts and tokens as they are, seconds, and the waits' median and longest in ms."""
    told: dict[str, int | float] = dict(account.counts)
    told |= {f"tokens_{kind}": count for kind, count in account.tokens.items()}
    told |= {"caller_s": round(account.caller_s, 1), "assistant_s": round(account.assistant_s, 1)}
    waits = {
        "reply": [turn.replied_ms for turn in account.turns if turn.replied_ms is not None],
        "heard": [turn.heard_ms for turn in account.turns if turn.heard_ms is not None],
    }
    for name, waited_ms in waits.items():
        if waited_ms:
            told |= {f"{name}_ms_p50": median_low(waited_ms), f"{name}_ms_max": max(waited_ms)}
    return told
