"""The caller and the assistant of one call, from the start of a stream that can be spoken into.

A dialogue opens assistants one after the other, renews them before they expire, and says when nobody is left to answer.
It does not know in which state the call is: `Call` follows `is_talking` and `hang_up`. No clock: `now` is seconds.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.core.caller_audio import Caller
from bridge.core.conversation import Conversation
from bridge.core.entries import KeypadRules
from bridge.core.failover import FINAL_CLOSES, Failover, FailoverPlan
from bridge.core.lanes import Lanes
from bridge.core.timers import REASONS, Limits, Timer, Timers
from bridge.core.waiting_signal import Signal
from bridge.vocabulary.commands import (
    CloseAssistant,
    Command,
    HangUp,
    OpenAssistant,
    PressKeys,
    RetryAssistant,
    SwitchToStandby,
)
from bridge.vocabulary.dispatch import on_bound
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    CallerAudio,
    CallStarted,
    LegLost,
    LegName,
    ReplyAudio,
)
from bridge.vocabulary.retries import Retries
from telecodecs.format import PCMU_8K, AudioFormat

LOOK_AGAIN_S = 1.0
"""From one look for a quiet moment to the next."""

TRY_AGAIN_S = 30.0
"""From a standby that failed to open to the next attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogueRules:
    """What the carrier and the settings decide about a dialogue."""

    reorder_ms: int
    """How long a missing frame of the caller's audio is waited for; 0: the carrier keeps the order."""
    keypad: KeypadRules = field(default_factory=KeypadRules)
    can: frozenset[type[Command]] = frozenset()
    """Commands that the carrier performs beside its stream, such as `PressKeys`."""
    noise_dbfs: float | None = None
    """The level of the comfort noise in holes and pauses of the caller's audio; None: digital silence."""
    random: Callable[[], float] = lambda: 0.5
    """Returns 0 to 1, without 1, for the jitter of pauses between tries; without it there is none."""
    announcement: bytes = b""
    """What the caller hears before any assistant, in the format `announced_in`; nothing if it is empty."""
    announced_in: AudioFormat = PCMU_8K


class Dialogue:
    """The state of one call's dialogue. `started`: the start of its stream."""

    def __init__(
        self, started: CallStarted, plan: FailoverPlan, rules: DialogueRules, limits: Limits, timers: Timers
    ) -> None:
        self.caller = Caller(started.line, rules.reorder_ms, rules.keypad, timers, rules.noise_dbfs)
        self.conversation = Conversation(
            started.plays or started.line,
            rules.keypad,
            timers,
            Signal(plan.waiting, plan.spoken, limits.waiting_after_s),
            presses=PressKeys in rules.can,
        )
        self.lanes: Lanes = dict(
            [
                on_bound(CallerAudio, self.caller.straight),
                on_bound(ReplyAudio, self.conversation.voice.straight),
            ]
        )
        """The lanes of frames, while an assistant has the call."""
        self.is_talking = False
        """An assistant is ready and has the call."""
        self.hang_up: HangUp | None = None
        """How the call is to be closed, once the assistant is gone and no other takes over."""
        self._plan = plan
        self._rules = rules
        self._failover = Failover(
            plan, started, self.conversation.history, Retries(limits.retry_s, rules.random)
        )
        self._limits = limits
        self._timers = timers
        self._is_assistant_open = False
        self._counts: Counter[str] = Counter()

    def counts(self) -> dict[str, int]:
        """Losses, retries and renewals of assistants, and what caller and conversation counted."""
        retries = {"assistant_retries": self._failover.retried}
        return {**self._counts, **retries, **self.caller.counts(), **self.conversation.counts()}

    # Assistants

    def begin(self, now: float) -> list[Command]:
        """Open the first assistant. It is opened while the announcement plays, and its words wait for the end of that."""
        self.conversation.waiting_signal.begin(now)
        commands = [*self.conversation.set_sensitive(now), self._open(self._failover.first(now), now)]
        rules = self._rules
        return commands + self.conversation.voice.announce(rules.announcement, rules.announced_in, now)

    def _open(self, command: OpenAssistant, now: float) -> OpenAssistant:
        self._is_assistant_open = True
        open_s = self._limits.open_s
        limit_s = open_s if self.is_talking else self._failover.limit_s(now, open_s)  # a standby has no bound
        self._timers.set(Timer.OPEN, now + limit_s)
        return command

    def ready(self, event: AssistantReady, now: float) -> list[Command]:
        """An assistant is ready: the one that was opened, its standby, or the same one again with other formats."""
        if not self.is_talking:
            self._timers.stop(Timer.OPEN)
            return self._use(event, now)
        if not event.is_standby:
            return self._use(event, now)
        self._timers.stop(Timer.OPEN)
        if not self.conversation.is_quiet(now) or not self._failover.is_up_to_date:
            self._timers.set(Timer.RENEW, now + LOOK_AGAIN_S)
            return []
        self._failover.switched()
        return [SwitchToStandby(), *self.conversation.break_off(now), *self._use(event, now)]

    def _use(self, event: AssistantReady, now: float) -> list[Command]:
        try:
            commands = self.caller.open(event.hears)
            commands += self.conversation.begin(event, now)
        except ValueError as error:
            why = f"its audio cannot be converted: {error}"
            return self._lose(now, final=True, why=why, is_reported=False)
        if (renew_at := self._failover.ready(event, now)) is not None:
            self._timers.set(Timer.RENEW, renew_at)
        if not self.is_talking:
            self.conversation.waiting_signal.stop()
        self.is_talking = True
        return commands

    def failed(self, event: AssistantFailed, now: float) -> list[Command]:
        """The active assistant reports that it cannot go on."""
        return self._lose(now, final=event.final, why=event.why, asked_s=event.retry_after_s)

    def leg_lost(self, event: LegLost, now: float) -> list[Command]:
        """The leg of the active assistant or of its standby closed or broke."""
        if event.leg is LegName.STANDBY:
            self._timers.stop(Timer.OPEN)
            self._timers.set(Timer.RENEW, now + TRY_AGAIN_S)
            return []
        self._is_assistant_open = False
        why = event.reason or f"code {event.code}"
        final = event.final or event.code in FINAL_CLOSES
        return self._lose(now, final=final, why=why, asked_s=event.retry_after_s)

    def open_due(self, now: float) -> list[Command]:
        """An assistant, or a standby, was not ready in time."""
        if self.is_talking:
            self._timers.set(Timer.RENEW, now + TRY_AGAIN_S)
            return []
        return self._lose(now, final=False, why=REASONS[Timer.OPEN], is_reported=False)

    def _lose(
        self, now: float, *, final: bool, why: str, asked_s: float | None = None, is_reported: bool = True
    ) -> list[Command]:
        """What the assistant said is heard, and the next one is opened; if nobody is left, the call is to be closed.

        `is_reported`: an event says why.
        """
        self._counts["assistants_lost"] += 1
        self._timers.stop(Timer.OPEN, Timer.RENEW)
        replied = self.conversation.has_reply
        commands = self.conversation.break_off(now)
        if self._is_assistant_open:
            self._is_assistant_open = False
            commands.append(CloseAssistant("" if is_reported else why))
        if self.conversation.is_hanging_up:
            self.hang_up = HangUp(1000, "the assistant hung up")
            return commands
        wait_s = self._failover.lost(now, final=final, replied=replied, asked_s=asked_s)
        if wait_s is None:
            return commands + self._give_up(now)
        if self.is_talking:
            self.is_talking = False
            self.caller.close()
        self.conversation.waiting_signal.delayed(now)
        if not wait_s:
            return [*commands, self._open(self._failover.next(), now)]
        self._timers.set(Timer.RETRY, now + wait_s)
        return [*commands, RetryAssistant(self._failover.name, round(wait_s, 3), why)]

    def _give_up(self, now: float) -> list[Command]:
        """Nobody is left to answer."""
        self.hang_up = HangUp(1011, "the assistant was lost")
        voice = self.conversation.voice
        return voice.end_signal(now) + voice.play_sentence(self._plan.sentence, self._plan.spoken, now)

    def retry_due(self, now: float) -> list[Command]:
        """The pause before the next try is over."""
        return [self._open(self._failover.next(), now)]

    def renew_due(self, now: float) -> list[Command]:
        """The assistant expires soon: open its standby, if nobody speaks or waits."""
        if not self.conversation.is_quiet(now):
            self._timers.set(Timer.RENEW, now + LOOK_AGAIN_S)
            return []
        self._counts["renewals"] += 1
        return [self._open(self._failover.renewed(), now)]

    # The stream

    def stream_resumed(self, now: float) -> list[Command]:
        """The carrier opened another stream for the call."""
        return self.caller.stream_resumed() + self.conversation.voice.stream_resumed(now)

    # A handover

    @property
    def assistant(self) -> str:
        """The name of the assistant that has the call, or is to be opened next."""
        return self._failover.name

    def hold(self, now: float) -> list[Command]:
        """The caller is put on hold: nothing that is said passes; the assistant stays, if it is ready."""
        commands = self.conversation.hold(now)
        self.caller.hold()
        self._timers.stop(Timer.RENEW, Timer.RETRY, Timer.WAITING, Timer.KEYPAD)
        return commands if self.is_talking else commands + self.part(now)

    def part(self, now: float) -> list[Command]:
        """Close the assistant: the caller is with somebody else."""
        self._timers.stop(Timer.OPEN)
        commands = self.end(now) + self.conversation.break_off(now)
        self._is_assistant_open = self.is_talking = False
        self.caller.close()
        return commands

    def lose_on_hold(self, now: float) -> list[Command]:
        """The assistant is lost while the caller is on hold: it is opened again when the caller is back."""
        self._counts["assistants_lost"] += 1
        return self.part(now)

    def leg_lost_on_hold(self, event: LegLost, now: float) -> list[Command]:
        """Likewise, by the loss of its leg; a standby is not missed."""
        if event.leg is LegName.STANDBY:
            self._timers.stop(Timer.OPEN)
            return []
        self._is_assistant_open = False
        return self.lose_on_hold(now)

    def come_back(self, now: float) -> list[Command]:
        """The caller is back. The assistant goes on where it is still there, and is opened where it is not."""
        commands = self.caller.stream_resumed()
        if self.is_talking:
            if (renew_at := self._failover.renew_at) is not None:
                self._timers.set(Timer.RENEW, max(renew_at, now + LOOK_AGAIN_S))
            return commands + self.conversation.come_back(now)
        self.conversation.waiting_signal.begin(now)
        return [*commands, self._open(self._failover.returned(now), now)]

    # The end

    def may_say_goodbye(self, now: float) -> bool:
        """Whether a goodbye cuts nobody off. Without an assistant, only what was sent is still to be heard."""
        voice = self.conversation.voice
        return (
            self.conversation.is_quiet(now) if self.is_talking else voice.has_signal or not voice.is_pending
        )

    def say_goodbye(self, now: float, *, cuts: bool) -> list[Command]:
        """Play the goodbye, if there is one: the assistant is closed before. `cuts`: what is still played is cut.

        An assistant that is hanging up has said goodbye itself, or is about to: what it says is heard.
        """
        conversation, voice = self.conversation, self.conversation.voice
        if conversation.is_hanging_up:
            return []
        commands = voice.interrupt(now) if cuts else voice.end_signal(now)
        if not self._plan.goodbye:
            return commands
        commands += self.end(now) + conversation.break_off(now)
        self._is_assistant_open = False
        return commands + voice.play_sentence(self._plan.goodbye, self._plan.spoken, now)

    def end(self, now: float) -> list[Command]:
        """The call is over: tell the assistant of an entry that was begun, and close it."""
        if not self._is_assistant_open:
            return []
        return [*self.conversation.end_entry(now), CloseAssistant()]
