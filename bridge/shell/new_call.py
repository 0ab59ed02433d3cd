"""Makes the call of a media socket that was let in: its limits, its rules and its plan, from what its setup says."""

import random
from functools import partial

import structlog
from msgspec import structs

from bridge.assistants.registry import ASSISTANTS
from bridge.carriers.shared.webhooks import ExpectedCall
from bridge.core.briefing import BriefingCall
from bridge.core.call import Call
from bridge.core.failover import FailoverPlan
from bridge.core.member_call import MemberCall
from bridge.core.people import BriefingNotes, People, Person
from bridge.core.people_call import PeopleCall
from bridge.core.supervisor_leg import SupervisorLeg
from bridge.shell.call_rules import call_limits, dialogue_rules, new_call
from bridge.shell.session import clock
from bridge.shell.setups import Setup
from bridge.vocabulary.call_facts import CallContext
from bridge.vocabulary.commands import Command
from bridge.vocabulary.contracts import Carrier
from bridge.vocabulary.people import Briefing

NOBODY = "[people] has nobody of this name"

log = structlog.get_logger()


def caller_call(
    setup: Setup, carrier: Carrier, expected: ExpectedCall, announcement: bytes, *, name: str = ""
) -> PeopleCall:
    """The call of a caller. `announcement`: what is played first, PCMU; nothing if it is empty. `name`: the carrier's."""
    is_announced = bool(expected.call_id)
    people = setup.switchboard.people.at(name)
    context = _possible(setup, expected, people)
    return new_call(
        setup.settings,
        carrier,
        clock(),
        random=random.random,
        people=people,
        can=commands_of(expected),
        resume_s=expected.returns_s,
        announcement=announcement,
        expected=expected.call_id or None,
        plan=setup.plan(expected.assistant, context) if is_announced else FailoverPlan(),
        choose=None if is_announced else setup.plan_at_start,
    )


def briefing_call(
    setup: Setup, carrier: Carrier, expected: ExpectedCall, notes: BriefingNotes
) -> BriefingCall:
    """The call of a person who is told about a caller."""
    request, person = notes.request, notes.person
    plan = setup.switchboard.plan(person.briefer or notes.assistant)
    briefing = Briefing(request.person, request.why, request.summary, person.instructions)
    make = partial(MemberCall, briefs=person.is_warm) if person.mixes else BriefingCall
    return make(
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


def supervisor_leg(setup: Setup, carrier: Carrier, expected: ExpectedCall) -> SupervisorLeg:
    """The call of the leg of a supervisor whom the bridge mixes with the call `expected.briefs`."""
    return SupervisorLeg(
        clock(),
        call_limits(setup.settings, carrier, 0.0),
        dialogue_rules(setup.settings, carrier, random=random.random, can=frozenset()),
        pin=expected.pin,
        expected=expected.call_id,
    )


def listening_stream(setup: Setup, carrier: Carrier, expected: ExpectedCall) -> Call:
    """The stream of what a caller and a person say: nothing is said into it."""
    return Call(
        clock(),
        call_limits(setup.settings, carrier, 0.0),
        dialogue_rules(setup.settings, carrier, random=random.random, can=frozenset()),
        expected=expected.call_id,
    )


def _possible(setup: Setup, expected: ExpectedCall, people: People) -> CallContext:
    """What is different in this call. A person whom it cannot be put through to is logged, and the assistant answers."""
    context = expected.context
    if not context.put_through:
        return context
    is_known = context.put_through in people.persons
    why = people.why_not_at_once(context.put_through, commands_of(expected)) if is_known else NOBODY
    if not why and not _is_briefed(setup, people.persons[context.put_through], expected.assistant):
        why = "the assistant of this call cannot brief them"
    if not why:
        return context
    log.warning(
        "= before_call puts the call through, which is not possible; the assistant answers",
        call_id=expected.call_id,
        person=context.put_through if is_known else "",  # another text may be anything
        reason=why,
    )
    return structs.replace(context, put_through="")


def _is_briefed(setup: Setup, person: Person, assistant: str) -> bool:
    """Whether this person needs no briefing, or somebody can brief them."""
    if not person.is_warm or person.spoken_briefing:
        return True
    briefer = setup.switchboard.plan(person.briefer or assistant).assistants[0]
    return ASSISTANTS[setup.settings.assistant_kinds[briefer]].can_brief


def commands_of(expected: ExpectedCall) -> frozenset[type[Command]]:
    """What the carrier performs for this call beside its stream."""
    return frozenset() if expected.control is None else frozenset(expected.control.can)
