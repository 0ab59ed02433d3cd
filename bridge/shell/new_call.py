"""Makes the call of a media socket that was let in: its limits, its rules and its plan, from what its setup says."""

import random

from bridge.carriers.shared.webhooks import ExpectedCall
from bridge.core.briefing import BriefingCall
from bridge.core.failover import FailoverPlan
from bridge.core.people import BriefingNotes
from bridge.core.people_call import PeopleCall
from bridge.shell.call_rules import call_limits, dialogue_rules, new_call
from bridge.shell.session import clock
from bridge.shell.setups import Setup
from bridge.vocabulary.commands import Command
from bridge.vocabulary.contracts import Carrier
from bridge.vocabulary.people import Briefing


def caller_call(setup: Setup, carrier: Carrier, expected: ExpectedCall, announcement: bytes) -> PeopleCall:
    """The call of a caller. `announcement`: what is played first, PCMU; nothing if it is empty."""
    is_announced = bool(expected.call_id)
    return new_call(
        setup.settings,
        carrier,
        clock(),
        random=random.random,
        people=setup.switchboard.people,
        can=commands_of(expected),
        resume_s=expected.returns_s,
        announcement=announcement,
        expected=expected.call_id or None,
        plan=setup.plan(expected.assistant, expected.context) if is_announced else FailoverPlan(),
        choose=None if is_announced else setup.plan_at_start,
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
        call_limits(setup.settings, carrier, expected.returns_s),
        dialogue_rules(setup.settings, carrier, random=random.random, can=commands_of(expected)),
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


def commands_of(expected: ExpectedCall) -> frozenset[type[Command]]:
    """What the carrier performs for this call beside its stream."""
    return frozenset() if expected.control is None else frozenset(expected.control.can)
