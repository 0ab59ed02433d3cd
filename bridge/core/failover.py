"""Who has the call: the assistant that the settings name, the same one again if it is lost, then those behind it.

An assistant that was lost gets one more chance, unless it is clear that it would end the same; one that has served
for a while since has earned another. No clock: `now` is seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bridge.vocabulary.commands import OpenAssistant
from bridge.vocabulary.events import AssistantReady, CallStarted, Opening, Said
from telecodecs.format import L16_8K, AudioFormat

FINAL_CLOSES = frozenset({1002, 1003, 1007, 1008, 3000, 3003, 4000})
"""Close codes that would come again on a second try: the peer dislikes what we are or say (RFC 6455, 7.4)."""

SERVED_S = 30.0
"""After so long an assistant that is lost gets another chance."""

RENEW_BEFORE_S = 120.0
"""How long before an assistant expires its standby is looked for, from the first quiet moment on."""


@dataclass(frozen=True, slots=True)
class FailoverPlan:
    """Who answers. `assistants`: names, the next takes over when the one before is lost for good.

    `sentence`: what the caller hears when nobody is left, `spoken` its format; silence if empty.
    """

    assistants: tuple[str, ...] = ("",)
    sentence: bytes = b""
    spoken: AudioFormat = L16_8K


class Failover:
    """One call's assistants, one after the other. `said` tells what was said so far."""

    def __init__(self, plan: FailoverPlan, said: Callable[[], tuple[Said, ...]]) -> None:
        self._names = list(plan.assistants)
        self._said = said
        self._tried_again = False
        self._ready_at: float | None = None  # since when the present one has served
        self._was_ready = False  # any of them
        self._told: tuple[Said, ...] = ()  # to the one that was opened last
        self._call: CallStarted  # from `first` on

    def first(self, call: CallStarted) -> OpenAssistant:
        """The call begins."""
        self._call = call
        return self._open(Opening.FIRST)

    def ready(self, event: AssistantReady, now: float) -> float | None:
        """The assistant has the call. Returns when its standby should be looked for; None if it does not expire."""
        self._ready_at, self._was_ready = now, True
        if event.lasts_s is None:
            return None
        return now + max(event.lasts_s - RENEW_BEFORE_S, event.lasts_s / 2)

    def renewed(self) -> OpenAssistant:
        """The same assistant once more, while it still has the call."""
        return self._open(Opening.RENEWED)

    @property
    def is_up_to_date(self) -> bool:
        """Whether nothing was said since the last one was opened."""
        return self._told == self._said()

    def lost(self, now: float, *, final: bool) -> OpenAssistant | None:
        """The assistant is gone; None if nobody is left. `final`: the same one again would not help."""
        if self._ready_at is not None and now - self._ready_at >= SERVED_S:
            self._tried_again = False
        self._ready_at = None
        if final or self._tried_again:
            del self._names[0]
            self._tried_again = False
        else:
            self._tried_again = True
        if not self._names:
            return None
        return self._open(Opening.RECOVERED if self._was_ready else Opening.FIRST)

    def _open(self, opening: Opening) -> OpenAssistant:
        call = self._call
        self._told = () if opening is Opening.FIRST else self._said()
        return OpenAssistant(
            call.call_id, call.line, call.parameters, self._names[0], opening, self._told, call.plays
        )
