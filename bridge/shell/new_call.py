"""Makes the call of a media socket that was let in: its limits, its rules and its plan, from what its setup says."""

import random
from functools import partial

from bridge.carriers.shared.webhooks import ExpectedCall
from bridge.core.briefing import BriefingCall
from bridge.core.dialogue import DialogueRules
from bridge.core.failover import FailoverPlan
from bridge.core.people import BriefingNotes
from bridge.core.people_call import PeopleCall
from bridge.core.timers import Limits
from bridge.shell.session import clock
from bridge.shell.setups import Setup
from bridge.vocabulary.contracts import Carrier
from bridge.vocabulary.events import CallStarted
from bridge.vocabulary.people import Briefing


def caller_call(setup: Setup, carrier: Carrier, expected: ExpectedCall, announcement: bytes) -> PeopleCall:
    """The call of a caller. `announcement`: what is played first, PCMU; nothing if it is empty."""
    is_announced = bool(expected.call_id)
    return PeopleCall(
        clock(),
        _limits(setup, carrier, expected),
        _rules(setup, carrier, expected, announcement),
        people=setup.switchboard.people,
        expected=expected.call_id or None,
        plan=setup.switchboard.plan(expected.assistant) if is_announced else FailoverPlan(),
        choose=None if is_announced else partial(_plan_at_start, setup),
    )


def briefing_call(
    setup: Setup, carrier: Carrier, expected: ExpectedCall, notes: BriefingNotes
) -> BriefingCall:
    """The call of a person who is told about a caller."""
    request, person = notes.request, notes.person
    plan = setup.switchboard.plan(person.briefer or notes.assistant)
    briefing = Briefing(request.person, request.why, request.summary, person.instructions)
    return BriefingCall(
        clock(),
        _limits(setup, carrier, expected),
        _rules(setup, carrier, expected, b""),
        accept=person.accept,
        recording=person.spoken_briefing,
        spoken=setup.switchboard.people.spoken,
        expected=expected.call_id,
        plan=FailoverPlan(
            plan.assistants[:1],
            waiting=plan.waiting,
            spoken=plan.spoken,
            briefing=briefing,
            history=notes.history,
        ),
    )


def _limits(setup: Setup, carrier: Carrier, expected: ExpectedCall) -> Limits:
    limits = setup.settings.limits
    return Limits(
        start_s=carrier.start_s or limits.start_s,
        open_s=limits.open_s,
        silent_s=carrier.silent_s or limits.silent_s,
        longest_s=limits.longest_call_s,
        resume_s=expected.returns_s,
        retry_s=limits.retry_s,
        waiting_after_s=limits.waiting_after_s,
    )


def _rules(setup: Setup, carrier: Carrier, expected: ExpectedCall, announcement: bytes) -> DialogueRules:
    settings, control = setup.settings, expected.control
    return DialogueRules(
        reorder_ms=carrier.reorder_ms,
        keypad=settings.keypad.rules(),
        can=frozenset() if control is None else frozenset(control.can),
        noise_dbfs=settings.silence.comfort_noise_dbfs,
        random=random.random,
        announcement=announcement,
    )


def _plan_at_start(setup: Setup, event: CallStarted) -> FailoverPlan:
    """Nobody announced the call: what its stream says is all that is known of it."""
    return setup.switchboard.plan(setup.routes.assistant_at_start(event.parameters))
