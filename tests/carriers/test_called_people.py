"""The people whom one request calls: transcripts, and every order of what a carrier may tell of them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.carriers.shared.called_people import VERDICT_S, CalledPeople, Outcome, Release
from bridge.vocabulary.people import (
    Nobody,
    NobodyReached,
    PeopleJoined,
    PersonAnswered,
    PersonLeft,
    PersonRings,
)

ANN, BOB, CAT = "+15550111", "+15550112", "sip:cat@pbx.example.com"


def called(*addresses: str) -> CalledPeople:
    return CalledPeople({f"h{n}": to for n, to in enumerate(addresses, 1)}, "r1")


def nobody(why: Nobody) -> NobodyReached:
    return NobodyReached(why, "r1")


def test_one_person_rings_answers_is_joined_and_leaves() -> None:
    people = called(ANN)
    assert people.placed("h1", "L1") == []
    assert people.rings("h1", "L1") == [PersonRings("L1")]
    assert people.rings("h1", "L1") == []
    assert people.answered("h1", "L1") == [PersonAnswered("L1", ANN)]
    assert people.answered("h1", "L1") == []
    assert (people.person_leg, people.handle, people.is_joined) == ("L1", "h1", False)
    assert people.joined(10.0) == [PeopleJoined("L1")]
    assert people.joined(11.0) == []
    assert people.is_joined
    assert people.ended("h1", "L1", Nobody.NO_ANSWER, 70.0) == [PersonLeft("L1", 60.0)]
    assert people.ended("h1", "L1", Nobody.NO_ANSWER, 71.0) == []
    assert (people.person_leg, people.is_joined) == ("", False)


def test_the_first_who_answers_counts_and_the_others_are_hung_up_on() -> None:
    people = called(ANN, BOB, CAT)
    people.placed("h1", "L1")
    people.placed("h2", "L2")
    assert people.answered("h2", "L2") == [Release("L1"), PersonAnswered("L2", BOB)]
    assert people.placed("h3", "L3") == [Release("L3")], "its id was not known before"
    assert people.answered("h3", "L3") == people.answered("h1", "L1") == []


REASONS = [
    ((Nobody.NO_ANSWER, Nobody.BUSY), Nobody.BUSY),
    ((Nobody.BUSY, Nobody.FAILED), Nobody.BUSY),
    ((Nobody.FAILED, Nobody.NO_ANSWER), Nobody.NO_ANSWER),
    ((Nobody.FAILED, Nobody.REFUSED), Nobody.REFUSED),
    ((Nobody.FAILED, Nobody.FAILED), Nobody.FAILED),
]


def test_of_several_reasons_that_is_told_which_says_most() -> None:
    for reasons, told in REASONS:
        people = called(ANN, BOB)
        assert people.ended("h1", "L1", reasons[0], 0.0) == []
        assert people.ended("h2", "L2", reasons[1], 0.0) == [nobody(told)]


def test_a_machine_that_answered_is_hung_up_on() -> None:
    people = called(ANN, BOB)
    people.placed("h1", "L1")
    people.answered("h2", "L2")
    assert people.machine("h2", "L2", 1.0) == [Release("L2"), nobody(Nobody.MACHINE)]
    assert people.ended("h2", "L2", Nobody.NO_ANSWER, 9.0) == []


def test_a_machine_of_several_does_not_keep_the_others_from_answering() -> None:
    people = called(ANN, BOB)
    assert people.machine("h1", "L1", 1.0) == [Release("L1")]
    assert people.answered("h2", "L2") == [PersonAnswered("L2", BOB)]


def test_whoever_cannot_be_served_any_more_is_hung_up_on() -> None:
    people = called(ANN)
    people.answered("h1", "L1")
    assert people.lost(3.0) == [Release("L1"), PersonLeft("L1", 0.0)]
    assert people.lost(4.0) == []
    assert people.ended("h1", "L1", Nobody.NO_ANSWER, 5.0) == []


def test_after_the_end_nobody_is_told_of_and_nobody_left() -> None:
    people = called(ANN, BOB)
    people.placed("h1", "L1")
    assert people.release() == [Release("L1")]
    assert people.release() == []
    assert people.answered("h2", "L2") == [Release("L2")]
    assert people.ended("h1", "L1", Nobody.NO_ANSWER, 5.0) == []


def test_all_but_one_are_hung_up_on() -> None:
    people = called(ANN, BOB)
    people.placed("h1", "L1")
    people.answered("h2", "L2")
    assert people.release(but="L2") == []
    assert people.person_leg == "L2"


def test_people_of_whom_nothing_is_heard_are_overdue() -> None:
    people = called(ANN)
    people.placed("h1", "L1")
    assert people.due() == [Release("L1"), nobody(Nobody.NO_ANSWER)]
    assert people.due() == []
    answered = called(ANN)
    answered.answered("h1", "L1")
    assert answered.due() == []


def joined_at_once() -> CalledPeople:
    people = CalledPeople({"h1": ANN}, "r1", awaits_verdict=True)
    people.answered("h1", "L1")
    assert people.joined(10.0) == []
    assert people.is_joined
    return people


def test_whoever_is_joined_at_once_is_told_once_it_is_no_machine() -> None:
    people = joined_at_once()
    assert people.no_machine("h1", "L1") == [PeopleJoined("L1")]
    assert people.no_machine("h1", "L1") == []
    assert people.due_at is None
    early = CalledPeople({"h1": ANN}, "r1", awaits_verdict=True)
    assert early.no_machine("h1", "L1") == []
    assert early.answered("h1", "L1") == [PersonAnswered("L1", ANN)]
    assert early.joined(10.0) == [PeopleJoined("L1")]


def test_or_when_nobody_has_said_it_for_a_while() -> None:
    people = joined_at_once()
    assert people.due_at == 10.0 + VERDICT_S
    assert people.due() == [PeopleJoined("L1")]


def test_a_machine_that_was_joined_is_nobody_until_it_was_told_and_then_leaves() -> None:
    assert joined_at_once().machine("h1", "L1", 14.0) == [Release("L1"), nobody(Nobody.MACHINE)]
    people = joined_at_once()
    people.due()
    assert people.machine("h1", "L1", 19.0) == [Release("L1"), PersonLeft("L1", 9.0)]


def test_whoever_leaves_before_it_was_told_has_talked() -> None:
    assert joined_at_once().ended("h1", "L1", Nobody.NO_ANSWER, 12.0) == [PersonLeft("L1", 2.0)]


# Every order

HANDLES = ("h1", "h2", "h3")
STEPS = st.one_of(
    st.tuples(
        st.sampled_from(["placed", "not_placed", "rings", "answered", "machine", "no_machine", "ended"]),
        st.sampled_from(HANDLES),
    ),
    st.tuples(st.sampled_from(["joined", "lost", "due", "release", "release the winner"]), st.just("")),
)


def step(people: CalledPeople, what: str, handle: str, now: float) -> Outcome:
    leg = f"L{handle[1:]}"
    match what:
        case "placed" | "rings" | "answered" | "no_machine":
            outcome: Outcome = getattr(people, what)(handle, leg)
        case "machine":
            outcome = people.machine(handle, leg, now)
        case "not_placed":
            outcome = people.not_placed(handle)
        case "ended":
            outcome = people.ended(handle, leg, Nobody.BUSY, now)
        case "joined":
            outcome = people.joined(now)
        case "lost":
            outcome = people.lost(now)
        case "due":
            outcome = people.due()
        case "release the winner":
            outcome = people.release(people.person_leg) if people.person_leg else []
        case _:
            outcome = people.release()
    return outcome


@settings(max_examples=1000, deadline=None)
@given(st.lists(STEPS, max_size=25), st.booleans())
def test_in_every_order_no_leg_is_left_behind_and_nothing_is_told_twice(
    steps: list[tuple[str, str]], awaits_verdict: bool
) -> None:
    targets = dict(zip(HANDLES, (ANN, BOB, CAT), strict=True))
    people = CalledPeople(targets, "r1", awaits_verdict=awaits_verdict)
    known: set[str] = set()  # legs whose ids the carrier has told
    ended: set[str] = set()
    told: Outcome = []
    for now, (what, handle) in enumerate(steps):
        if handle and what != "not_placed":
            known.add(f"L{handle[1:]}")
        if what == "ended":
            ended.add(f"L{handle[1:]}")
        told += step(people, what, handle, float(now))
    hung_up = [one.person_leg for one in told if isinstance(one, Release)]
    events = [one for one in told if not isinstance(one, Release)]
    assert len(hung_up) == len(set(hung_up)), "nobody is hung up on twice"
    kinds = [type(event) for event in events]
    assert kinds.count(PersonAnswered) <= 1
    assert kinds.count(PeopleJoined) <= kinds.count(PersonAnswered)
    ends = [place for place, kind in enumerate(kinds) if kind in (NobodyReached, PersonLeft)]
    assert ends in ([], [len(kinds) - 1]), "one end, and nothing after it"
    last = [one.person_leg for one in people.release() if isinstance(one, Release)]
    assert known - ended <= {*hung_up, *last}, "whoever is there is hung up on in the end"
