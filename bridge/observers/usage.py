"""The account of a call: seconds of audio, tokens, and how long the caller waited for each reply.

A turn is an utterance of the caller, spoken or typed; `turn_waits` measures the wait for the reply to it. No clock: `now` is
seconds.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from bridge.observers.caller_sound import CallerSound
from bridge.observers.turn_waits import TurnWaits
from bridge.vocabulary.commands import EnterDigits
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.events import (
    AssistantReady,
    ReplyAudio,
    TokensUsed,
    ToolCalled,
    Word,
)
from bridge.vocabulary.people import EndHandover
from telecodecs.format import AudioFormat

MOST_ITEMS = 1_000
"""Items that are remembered; audio that comes later for an older one counts as a reply of its own."""

MOST_HANDOVERS = 100
"""Handovers of one call that its account has, the first ones."""


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


class Accounting:
    """The account of one call: it sees what an observer sees, and `account` adds it up.

    The caller's audio is not shown to it: whoever gives it to the assistant puts it into `caller`, which costs no call for
    a frame. `waits` sees words beside it.
    """

    def __init__(self) -> None:
        self.sees = _SEEN
        self._caller, self._assistant = _Meter(), _Meter()
        self._keys_interrupt = False  # an entry is an utterance
        self._counts: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self._handovers: list[EndHandover] = []
        self._items: dict[str, None] = {}  # of the active assistant, that had audio; the latest
        self.caller = CallerSound()
        """The caller's audio that was given to assistants."""
        self.waits = TurnWaits(self.caller)

    def saw(self, word: Word, now: float) -> None:
        """Count a word: events before the core sees them, commands before they are performed, in order."""
        kind = type(word)
        if (see := _SEEN.get(kind)) is not None:
            see(self, word, now)
        self.waits.saw(word, now)

    def account(self, counts: Mapping[str, int]) -> Account:
        """Add up the call so far. `counts`: those of the core and of the dialects."""
        self._measure_caller()
        turns = self.waits.turns
        all_counts = {"turns": self.waits.count, **self._counts, **counts}
        return Account(
            counts={name: count for name, count in all_counts.items() if count},
            tokens={kind: count for kind, count in self._tokens.items() if count},
            caller_s=self._caller.ms / 1000,
            assistant_s=self._assistant.ms / 1000,
            turns=turns,
            handovers=tuple(self._handovers),
        )

    # Audio, tools and tokens

    def _measure_caller(self) -> None:
        self.caller.measure()
        self._caller.bytes += self.caller.take_bytes()

    def _ready(self, word: AssistantReady, _now: float) -> None:
        if word.is_standby:
            return
        self._measure_caller()
        self._caller.change(word.hears)
        self.caller.change(word.hears)
        self._assistant.change(word.speaks)
        self._keys_interrupt = word.keys_interrupt
        self._items.clear()  # another assistant may use the same names

    def _call_tool(self, _word: ToolCalled, _now: float) -> None:
        self._counts["tools"] += 1

    def _use_tokens(self, word: TokensUsed, _now: float) -> None:
        self._tokens.update(word.tokens)

    def _end_handover(self, word: EndHandover, _now: float) -> None:
        if len(self._handovers) < MOST_HANDOVERS:
            self._handovers.append(word)

    def _enter(self, word: EnterDigits, now: float) -> None:
        self.waits.entered(word, now, is_turn=self._keys_interrupt)

    def _reply(self, word: ReplyAudio, now: float) -> None:
        self._assistant.bytes += len(word.audio)
        if word.item in self._items:
            return
        self._items[word.item] = None
        if len(self._items) > MOST_ITEMS:
            del self._items[next(iter(self._items))]
        self._counts["replies"] += 1
        self.waits.reply_began(word.item, now)


_SEEN: dict[type[Word], Callable[[Accounting, Any, float], None]] = dict(
    [
        on(ReplyAudio, Accounting._reply),
        on(EnterDigits, Accounting._enter),
        on(AssistantReady, Accounting._ready),
        on(ToolCalled, Accounting._call_tool),
        on(TokensUsed, Accounting._use_tokens),
        on(EndHandover, Accounting._end_handover),
    ]
)
"""What each word does to the account, beside what it does to the waits."""


def summary(account: Account) -> dict[str, int | float]:
    """Return the fields of a log line: counts, tokens, seconds of audio; in ms the median and the longest wait, and the
    parts of the median one, as in `contracts.Turn`.
    """
    fields: dict[str, int | float] = dict(account.counts)
    fields |= {f"tokens_{kind}": count for kind, count in account.tokens.items()}
    fields |= {"caller_s": round(account.caller_s, 1), "assistant_s": round(account.assistant_s, 1)}
    if account.handovers:
        fields |= {"handovers": len(account.handovers)}
        fields |= {"with_person_s": round(sum(one.talked_s for one in account.handovers), 1)}
    waits = sorted((turn.wait_ms, turn) for turn in account.turns if turn.wait_ms is not None)
    if waits:
        wait_ms, median = waits[(len(waits) - 1) // 2]
        fields |= {"wait_ms_p50": wait_ms, "wait_ms_max": waits[-1][0]}
        fields |= {name: ms for name, ms in median._asdict().items() if name != "wait_ms"}
    return fields
