"""The rules of one call, from the settings: the call as the core has it, and who answers.

What replays a call without a server makes it here as well, so that both have the same rules.
"""

from collections.abc import Callable
from pathlib import Path

from bridge.config.audio_file import read_wav
from bridge.config.settings import Settings
from bridge.core.called_in_call import CalledInCall
from bridge.core.dialogue import DialogueRules
from bridge.core.failover import FailoverPlan
from bridge.core.people import People
from bridge.core.people_call import PeopleCall
from bridge.core.timers import Limits
from bridge.vocabulary.commands import Command
from bridge.vocabulary.contracts import Carrier
from bridge.vocabulary.events import CallStarted
from telecodecs.codec import encoder
from telecodecs.format import PCMU_8K
from telecodecs.signals import waiting_signal


def new_call(
    settings: Settings,
    carrier: Carrier,
    now: float,
    *,
    random: Callable[[], float],
    people: People,
    can: frozenset[type[Command]] = frozenset(),
    resume_s: float = 0.0,
    announcement: bytes = b"",
    expected: str | None = None,
    plan: FailoverPlan = FailoverPlan(),  # noqa: B008  # frozen
    choose: Callable[[CallStarted], FailoverPlan] | None = None,
) -> PeopleCall:
    """The call of a caller, which begins at `now`, in seconds. `can`: what the carrier performs beside its stream.

    `resume_s`: how long its stream may be away. `announcement`: see `announcement_of`. The others are those of
    `PeopleCall`.
    """
    return CalledInCall(
        now,
        call_limits(settings, carrier, resume_s),
        dialogue_rules(settings, carrier, random=random, can=can, announcement=announcement),
        people=people,
        expected=expected,
        plan=plan,
        choose=choose,
    )


def call_limits(settings: Settings, carrier: Carrier, resume_s: float) -> Limits:
    """How long what may take. `resume_s`: how long the call's stream may be away."""
    limits = settings.limits
    return Limits(
        start_s=carrier.start_s or limits.start_s,
        open_s=limits.open_s,
        silent_s=carrier.silent_s or limits.silent_s,
        longest_s=limits.longest_call_s,
        resume_s=resume_s,
        retry_s=limits.retry_s,
        waiting_after_s=limits.waiting_after_s,
    )


def dialogue_rules(
    settings: Settings,
    carrier: Carrier,
    *,
    random: Callable[[], float],
    can: frozenset[type[Command]],
    announcement: bytes = b"",
) -> DialogueRules:
    """What holds while somebody talks with an assistant. The arguments are those of `new_call`."""
    return DialogueRules(
        reorder_ms=carrier.reorder_ms,
        keypad=settings.keypad.rules(),
        can=can,
        noise_dbfs=settings.silence.comfort_noise_dbfs,
        random=random,
        announcement=announcement,
    )


def announcement_of(settings: Settings) -> bytes:
    """What the caller hears first of all; empty for nothing. Raises `ConfigurationError` if it cannot be read."""
    return _read(settings.recording_announcement())


def goodbye_of(settings: Settings) -> bytes:
    """What the caller hears when the server stops; empty for nothing. Raises `ConfigurationError` likewise."""
    goodbye = settings.closing.goodbye
    return _read(None if goodbye is None else goodbye.play)


def failover_plan(settings: Settings, assistant: str, goodbye: bytes) -> FailoverPlan:
    """Who answers a call for this assistant, and who takes over; with what the caller hears meanwhile."""
    waiting = settings.waiting_signal(assistant)
    return FailoverPlan(
        settings.failover_chain(assistant),
        sentence=_read(settings.failover_announcement(assistant)),
        waiting=encoder(PCMU_8K)(waiting_signal()) if waiting is None else read_wav(waiting),
        spoken=PCMU_8K,
        goodbye=goodbye,
    )


def _read(file: Path | None) -> bytes:
    return b"" if file is None else read_wav(file)
