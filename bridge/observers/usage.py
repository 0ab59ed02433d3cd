"""The account of a call: seconds of audio, tokens, and how long the caller waited for each reply.

A turn is an utterance of the caller, spoken or typed, and the wait for the reply to it. The wait ends when the mark
behind the first audio of the reply returns, when a clear throws that audio away, or when the caller speaks again before
any audio came. Tools that run in between are part of the wait; words such as "one moment please" are a reply. No
clock: `now` is seconds.
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
    """Measures the audio of one direction. Each assistant may have another format; until the first one it is None."""

    def __init__(self) -> None:
        self.bytes = 0
        """Of audio in the present format."""
        self._format: AudioFormat | None = None
        self._earlier_ms = 0.0

    def change(self, audio_format: AudioFormat) -> None:
        self._earlier_ms, self.bytes, self._format = self.ms, 0, audio_format

    @property
    def ms(self) -> float:
        return self._earlier_ms + (self._format.duration_ms(self.bytes) if self._format else 0.0)


@dataclass(slots=True)
class _Wait:
    """A turn. `since`: when the caller began to wait; the other fields are those of `Turn`."""

    since: float
    replied_ms: int | None = None
    sent_ms: int | None = None
    heard_ms: int | None = None

    def ms(self, now: float) -> int:
        return round((now - self.since) * 1000)


class Accounting:
    """The account of one call: it sees what an observer sees, and `account` adds it up."""

    def __init__(self) -> None:
        self._caller, self._assistant = _Meter(), _Meter()
        self._keys_interrupt = False  # an entry is an utterance
        self._counts: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self._items: set[str] = set()  # of the active assistant, that had audio
        self._turns: list[_Wait] = []
        self._waiting: _Wait | None = None  # for the assistant's audio
        self._replied: _Wait | None = None  # then for that audio to be sent
        self._sent: _Wait | None = None  # then for the mark behind it to be sent
        self._marked: dict[str, _Wait] = {}  # then for that mark to return; by the mark's name
        self.sees: dict[type[Word], Callable[[Any, float], None]] = dict(
            [
                on_bound(AppendAudio, self._append),
                on_bound(ReplyAudio, self._reply),
                on_bound(PlayAudio, self._play),
                on_bound(SendMark, self._mark),
                on_bound(MarkReached, self._mark_reached),
                on_bound(ClearPlayback, self._clear),
                on_bound(SpeechStopped, self._begin_wait),
                on_bound(EnterDigits, self._enter),
                on_bound(SpeechStarted, self._end_wait),
                on_bound(AssistantReady, self._ready),
                on_bound(ToolCalled, self._call_tool),
                on_bound(TokensUsed, self._use_tokens),
            ]
        )

    def saw(self, word: Word, now: float) -> None:
        """Count a word: events before the core sees them, commands before they are performed, in order."""
        if (see := self.sees.get(type(word))) is not None:
            see(word, now)

    def account(self, counts: Mapping[str, int]) -> Account:
        """Add up the call so far. `counts`: those of the core and of the dialects."""
        all_counts = {"turns": len(self._turns), **self._counts, **counts}
        return Account(
            counts={name: count for name, count in all_counts.items() if count},
            tokens={kind: count for kind, count in self._tokens.items() if count},
            caller_s=self._caller.ms / 1000,
            assistant_s=self._assistant.ms / 1000,
            turns=[Turn(turn.replied_ms, turn.sent_ms, turn.heard_ms) for turn in self._turns],
        )

    # Audio, tools and tokens

    def _append(self, word: AppendAudio, _now: float) -> None:
        self._caller.bytes += len(word.audio)

    def _ready(self, word: AssistantReady, _now: float) -> None:
        if word.is_standby:
            return
        self._caller.change(word.hears)
        self._assistant.change(word.speaks)
        self._keys_interrupt = word.keys_interrupt
        self._items.clear()  # another assistant may use the same names

    def _call_tool(self, _word: ToolCalled, _now: float) -> None:
        self._counts["tools"] += 1

    def _use_tokens(self, word: TokensUsed, _now: float) -> None:
        self._tokens.update(word.tokens)

    # A turn, step by step

    def _begin_wait(self, _word: SpeechStopped | EnterDigits, now: float) -> None:
        self._waiting = _Wait(now)
        self._turns.append(self._waiting)

    def _enter(self, word: EnterDigits, now: float) -> None:
        if self._keys_interrupt:
            self._begin_wait(word, now)

    def _end_wait(self, _word: SpeechStarted, _now: float) -> None:
        self._waiting = None

    def _reply(self, word: ReplyAudio, now: float) -> None:
        self._assistant.bytes += len(word.audio)
        if word.item in self._items:
            return
        self._items.add(word.item)
        self._counts["replies"] += 1
        if self._waiting is not None:
            self._waiting.replied_ms = self._waiting.ms(now)
            self._replied, self._waiting = self._waiting, None

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
        """Audio that no mark has proved to be heard by now never will be."""
        self._replied = self._sent = None
        self._marked.clear()


def summary(account: Account) -> dict[str, int | float]:
    """Return the fields of a log line: counts, tokens, seconds of audio, and the median and longest wait in ms."""
    fields: dict[str, int | float] = dict(account.counts)
    fields |= {f"tokens_{kind}": count for kind, count in account.tokens.items()}
    fields |= {"caller_s": round(account.caller_s, 1), "assistant_s": round(account.assistant_s, 1)}
    waits = {
        "reply": [turn.replied_ms for turn in account.turns if turn.replied_ms is not None],
        "heard": [turn.heard_ms for turn in account.turns if turn.heard_ms is not None],
    }
    for name, waited_ms in waits.items():
        if waited_ms:
            fields |= {f"{name}_ms_p50": median_low(waited_ms), f"{name}_ms_max": max(waited_ms)}
    return fields
