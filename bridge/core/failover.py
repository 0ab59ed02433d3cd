"""Failover: the assistant that the settings name has the call, then the same one again if it is lost, then its fallbacks.

An assistant that was lost is tried again as `Retries` says, unless the reason of the loss would come again; after
`SERVED_S` of service, with a reply in it, the bound counts anew. No clock: `now` is seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bridge.vocabulary.call_facts import NO_CONTEXT, CallContext
from bridge.vocabulary.commands import OpenAssistant
from bridge.vocabulary.events import AssistantReady, CallStarted, History, Opening
from bridge.vocabulary.people import Briefing
from bridge.vocabulary.retries import Retries
from telecodecs.format import L16_8K, AudioFormat

FINAL_CLOSES = frozenset({1002, 1003, 1007, 1008, 3000, 3003, 4000})
"""Close codes that a second try would get again: the peer refuses who we are or what we send (RFC 6455, 7.4)."""

SERVED_S = 30.0
"""An assistant that has served so long, and replied, is tried for the whole bound again when it is lost."""

RENEW_BEFORE_S = 120.0
"""How long before an assistant expires its standby is opened, at the first quiet moment."""


@dataclass(frozen=True, slots=True)
class FailoverPlan:
    """Who answers. `assistants`: names from the settings; each takes over when the one before is lost for good.

    `sentence`: audio that the caller hears when nobody is left; `waiting`: while a lost assistant is tried again;
    `goodbye`: before the server stops. All in the format `spoken`; nothing is played if they are empty. `context`: what
    each of the assistants is told of the call.
    """

    assistants: tuple[str, ...] = ("",)
    sentence: bytes = b""
    waiting: bytes = b""
    spoken: AudioFormat = L16_8K
    goodbye: bytes = b""
    context: CallContext = NO_CONTEXT
    briefing: Briefing | None = None
    """The assistants do not talk with the caller, but brief a person; `history`: what was said to the caller."""
    history: History = ()


class Failover:
    """The assistants of one call, one after the other.

    `started`: the start of its stream. `history` returns what was said and done in the call so far.
    """

    def __init__(
        self,
        plan: FailoverPlan,
        started: CallStarted,
        history: Callable[[], History],
        retries: Retries,
    ) -> None:
        self._names = list(plan.assistants)
        self._briefing, self._told_before = plan.briefing, plan.history
        self._started = started
        self._context = plan.context
        self._history = history
        self._retries = retries
        self._is_retry = False  # the same assistant as before is to be opened next
        self.retried = 0
        """How often an assistant was opened again after it was lost."""
        self._ready_at: float | None = None  # when the active assistant was ready
        self._lasts_s: float | None = None  # what it last said of its lifetime
        self._was_ready = False  # any assistant was
        self._told: History = ()  # what the assistant that was opened last knows

    def first(self, now: float) -> OpenAssistant:
        """Open the first assistant."""
        self._retries.start(now)
        return self._open(Opening.FIRST)

    @property
    def name(self) -> str:
        """The assistant that has the call, or is to be opened next."""
        return self._names[0]

    def limit_s(self, now: float, open_s: float) -> float:
        """How long the assistant that is opened now may take to be ready; `open_s`: where no bound limits it."""
        return self._retries.limit_s(now, open_s)

    def ready(self, event: AssistantReady, now: float) -> float | None:
        """The active assistant is ready, or ready again with other formats: its lifetime counts from the first time.

        Returns when to look for its standby; None if it does not expire, or said nothing new of that.
        """
        if self._ready_at is None:
            self._ready_at, self._was_ready = now, True
            self._retries.stop(now)
        if event.lasts_s is None or event.lasts_s == self._lasts_s:
            return None
        self._lasts_s = event.lasts_s
        return self.renew_at

    def renewed(self) -> OpenAssistant:
        """Open a standby: the same assistant once more, while it still has the call."""
        return self._open(Opening.RENEWED)

    def switched(self) -> None:
        """The standby becomes the active assistant; `ready` follows."""
        self._ready_at = self._lasts_s = None

    @property
    def renew_at(self) -> float | None:
        """When to look for the standby of the active assistant; None if it does not say that it expires."""
        if self._ready_at is None or self._lasts_s is None:
            return None
        return self._ready_at + max(self._lasts_s - RENEW_BEFORE_S, self._lasts_s / 2)

    @property
    def is_up_to_date(self) -> bool:
        """Whether nothing was said or done since the last assistant was opened."""
        return self._told == self._history()

    def lost(self, now: float, *, final: bool, replied: bool, asked_s: float | None = None) -> float | None:
        """The active assistant is gone. Returns how long to wait before `next`; None if nobody is left.

        `final`: the same assistant would fail again. `replied`: it has spoken. `asked_s`: how long it asks to be left alone.
        """
        was_ready = self._ready_at is not None
        if self._ready_at is not None and replied and now - self._ready_at >= SERVED_S:
            self._retries.reset()
        self._retries.start(now)
        self._ready_at = self._lasts_s = None
        wait_s = None if final else self._retries.pause_s(now, asked_s, at_once=was_ready)
        self._is_retry = wait_s is not None
        if wait_s is not None:
            return wait_s
        del self._names[0]
        if not self._names:
            return None
        self._retries.reset()
        self._retries.start(now)
        return 0.0

    def next(self) -> OpenAssistant:
        """Open the same assistant again, or the next in line."""
        self.retried += self._is_retry
        return self._open(Opening.RECOVERED if self._was_ready else Opening.FIRST)

    def returned(self, now: float) -> OpenAssistant:
        """The caller is back from a person: open the assistant that had the call."""
        self._retries.reset()
        self._retries.start(now)
        self._ready_at = self._lasts_s = None
        self._is_retry = False
        return self._open(Opening.RETURNED)

    def _open(self, opening: Opening) -> OpenAssistant:
        started, briefing = self._started, self._briefing
        if briefing is not None:
            opening, self._told = Opening.BRIEFING, self._told_before
        else:
            self._told = () if opening is Opening.FIRST else self._history()
        return OpenAssistant(
            started.call_id,
            started.line,
            started.parameters | self._context.parameters,
            self._names[0],
            opening,
            self._told,
            started.plays,
            self._context,
            briefing,
        )
