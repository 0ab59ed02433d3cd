"""A room in virtual time: who hears whom, what the sum of voices is, drift, and members who stall or change their roles."""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.member_mix import MOST_WAITING
from bridge.core.room import Part, Room, who_hears_whom
from bridge.vocabulary.room import Member, Role
from telecodecs.codec import decoder, encoder
from telecodecs.format import L16_16K, PCMA_8K, PCMU_8K, AudioFormat, Samples

CALLER, PERSON, ASSISTANT, SUPERVISOR = Member.CALLER, Member.PERSON, Member.ASSISTANT, Member.SUPERVISOR
SILENCE = b"\xff" * 160
Played = list[tuple[Member, bytes]]


def voice(seed: int, seconds: float = 2.0, level: float = 3000.0) -> list[bytes]:
    """A voice that no other is like, as frames: noise with a rhythm of its own."""
    noise = np.random.default_rng(seed).normal(0, level, round(seconds * 50) * 160)
    rhythm = np.repeat(np.random.default_rng(seed + 100).uniform(0.2, 1.0, round(seconds * 50)), 160)
    audio = encoder(PCMU_8K)(np.clip(noise * rhythm, -32768, 32767).astype(np.int16))
    return [audio[at : at + 160] for at in range(0, len(audio), 160)]


def samples(frames: Iterable[bytes]) -> Samples:
    return decoder(PCMU_8K)(b"".join(frames))


def likeness(heard: Samples, said: Samples) -> float:
    """The highest correlation of what was said with a stretch of what was heard; the delay is at most 8 frames."""
    length = min(len(heard), len(said)) - 8 * 160
    said = said[:length].astype(np.float64)
    best = 0.0
    for delay in range(0, 8 * 160, 160):
        there = heard[delay : delay + length].astype(np.float64)
        scale = float(np.sqrt((said @ said) * (there @ there)))
        best = max(best, abs(float(said @ there)) / scale if scale else 0.0)
    return best


def room(*members: Member, line: AudioFormat = PCMU_8K, **roles: Role) -> Room:
    """A room in which these talk, and others have these roles."""
    made = Room(line)
    for member in members:
        made.place(member, Role.TALKS)
    for name, role in roles.items():
        made.place(Member(name), role)
    return made


def heard_by(played: Played, member: Member) -> list[bytes]:
    return [frame for listener, frame in played if listener is member]


def talk(made: Room, voices: dict[Member, list[bytes]], offset_s: float = 0.004) -> Played:
    """All speak at the same time, each a little after the one before."""
    played: Played = []
    for at, frames in enumerate(zip(*voices.values(), strict=True)):
        for nth, (member, frame) in enumerate(zip(voices, frames, strict=True)):
            played += made.speak(member, frame, at * 0.02 + nth * offset_s)
    return played


# Who hears whom

MATRICES: list[tuple[str, dict[Member, Part], dict[Member, set[Member]]]] = [
    (
        "three-way",
        dict.fromkeys((CALLER, PERSON, ASSISTANT), Part(Role.TALKS)),
        {CALLER: {PERSON, ASSISTANT}, PERSON: {CALLER, ASSISTANT}, ASSISTANT: {CALLER, PERSON}},
    ),
    (
        "a silent assistant",
        {CALLER: Part(Role.TALKS), PERSON: Part(Role.TALKS), ASSISTANT: Part(Role.SILENT)},
        {CALLER: {PERSON}, PERSON: {CALLER}, ASSISTANT: {CALLER, PERSON}},
    ),
    (
        "listens",
        {CALLER: Part(Role.TALKS), ASSISTANT: Part(Role.TALKS), SUPERVISOR: Part(Role.LISTENS)},
        {CALLER: {ASSISTANT}, ASSISTANT: {CALLER}, SUPERVISOR: {CALLER, ASSISTANT}},
    ),
    (
        "whispers to the assistant",
        {
            CALLER: Part(Role.TALKS),
            ASSISTANT: Part(Role.TALKS),
            SUPERVISOR: Part(Role.WHISPERS, ASSISTANT),
        },
        {CALLER: {ASSISTANT}, ASSISTANT: {CALLER, SUPERVISOR}, SUPERVISOR: {CALLER, ASSISTANT}},
    ),
    (
        "whispers to the person",
        {CALLER: Part(Role.TALKS), PERSON: Part(Role.TALKS), SUPERVISOR: Part(Role.WHISPERS, PERSON)},
        {CALLER: {PERSON}, PERSON: {CALLER, SUPERVISOR}, SUPERVISOR: {CALLER, PERSON}},
    ),
    (
        "barges in",
        {CALLER: Part(Role.TALKS), PERSON: Part(Role.TALKS), SUPERVISOR: Part(Role.TALKS)},
        {CALLER: {PERSON, SUPERVISOR}, PERSON: {CALLER, SUPERVISOR}, SUPERVISOR: {CALLER, PERSON}},
    ),
    (
        "a muted caller",
        {CALLER: Part(Role.MUTED), PERSON: Part(Role.TALKS)},
        {CALLER: {PERSON}, PERSON: set()},
    ),
    (
        "a caller on hold",
        {CALLER: Part(Role.HELD), PERSON: Part(Role.TALKS), ASSISTANT: Part(Role.TALKS)},
        {CALLER: set(), PERSON: {ASSISTANT}, ASSISTANT: {PERSON}},
    ),
]


@pytest.mark.parametrize(("parts", "hears"), [row[1:] for row in MATRICES], ids=[row[0] for row in MATRICES])
def test_the_matrix_of_each_role(parts: dict[Member, Part], hears: dict[Member, set[Member]]) -> None:
    assert who_hears_whom(parts) == {listener: frozenset(speakers) for listener, speakers in hears.items()}


@pytest.mark.parametrize(
    ("parts", "hears_whom"), [row[1:] for row in MATRICES], ids=[row[0] for row in MATRICES]
)
def test_who_hears_whom_is_so_by_sound(
    parts: dict[Member, Part], hears_whom: dict[Member, set[Member]]
) -> None:
    def fresh() -> Room:
        made = Room(PCMU_8K)
        for member, part in parts.items():
            made.place(member, part.role, part.to)
        return made

    voices = {member: voice(seed, 8.0) for seed, member in enumerate(parts)}
    said = {member: samples(frames) for member, frames in voices.items()}
    together = talk(fresh(), voices)
    for speaker, frames in voices.items():
        others_silent = {member: [SILENCE] * len(frames) for member in voices} | {speaker: frames}
        alone = talk(fresh(), others_silent)
        for listener in parts:
            hears = speaker in hears_whom[listener]
            for played in [alone] if hears else [alone, together]:
                heard = samples(heard_by(played, listener))
                alike = likeness(heard, said[speaker]) if len(heard) else 0.0
                assert alike >= 0.9 if hears else alike <= 0.02, f"{listener}, {speaker}: {alike}"


PARTS = st.builds(Part, st.sampled_from(Role), st.none() | st.sampled_from(Member))


@given(st.dictionaries(st.sampled_from(Member), PARTS))
def test_in_no_room_does_anybody_hear_themselves_or_who_is_not_to_be_heard(parts: dict[Member, Part]) -> None:
    for listener, speakers in who_hears_whom(parts).items():
        assert listener not in speakers
        assert not speakers or parts[listener].role is not Role.HELD
        for speaker in speakers:
            part = parts[speaker]
            assert part.role is Role.TALKS or (part.role, part.to) == (Role.WHISPERS, listener)


# The sum


@pytest.mark.parametrize("line", [PCMU_8K, PCMA_8K, L16_16K], ids=str)
@settings(max_examples=30)
@given(data=st.data())
def test_a_lone_speaker_is_heard_byte_for_byte_and_at_once(line: AudioFormat, data: st.DataObject) -> None:
    made = room(CALLER, PERSON, line=line, assistant=Role.SILENT)
    length = line.bytes_in(20)
    for at, frame in enumerate(data.draw(st.lists(st.binary(min_size=length, max_size=length), max_size=5))):
        assert heard_by(made.speak(PERSON, frame, at * 0.02), CALLER) == [frame]


def test_of_two_who_are_heard_one_who_is_silent_changes_no_byte_of_the_other() -> None:
    made, said = room(CALLER, PERSON, SUPERVISOR), voice(1)
    played = talk(made, {PERSON: said, SUPERVISOR: [SILENCE] * len(said)})
    assert heard_by(played, CALLER) == said


@pytest.mark.parametrize("level", [32_767, -32_768])
@pytest.mark.parametrize("line", [PCMU_8K, L16_16K], ids=str)
def test_two_voices_at_full_scale_do_not_wrap(level: int, line: AudioFormat) -> None:
    made = room(CALLER, PERSON, SUPERVISOR, line=line)
    frame = encoder(line)(np.full(line.rate_hz // 50, level, np.int16))
    played = talk(made, {PERSON: [frame] * 3, SUPERVISOR: [frame] * 3})
    loudest = decoder(line)(frame)[0]
    assert all((decoder(line)(heard) == loudest).all() for heard in heard_by(played, CALLER))
    assert len(heard_by(played, CALLER)) == 3


@given(st.integers(-32_768, 32_767), st.integers(-32_768, 32_767))
def test_the_sum_is_what_a_wider_sum_would_be(one: int, other: int) -> None:
    made = room(CALLER, PERSON, SUPERVISOR, line=L16_16K)
    frames = [np.full(320, level, np.int16).tobytes() for level in (one, other)]
    talk(made, {PERSON: [bytes(640)], SUPERVISOR: [bytes(640)]})  # each is waited for once they have spoken
    made.speak(SUPERVISOR, frames[1], 0.018)
    played = made.speak(PERSON, frames[0], 0.02)
    heard = heard_by(played, CALLER)[-1]
    assert np.frombuffer(heard, np.int16)[0] == max(-32_768, min(32_767, one + other))


def test_each_hears_everyone_but_themselves() -> None:
    made = room(CALLER, PERSON, ASSISTANT)
    said = {member: encoder(PCMU_8K)(np.full(160, level, np.int16)) for member, level in LEVELS.items()}
    played = talk(made, {member: [frame] * 5 for member, frame in said.items()})
    for listener in said:
        heard = heard_by(played, listener)[-1]
        total = sum(level for member, level in LEVELS.items() if member is not listener)
        assert int(samples([heard])[0]) == pytest.approx(total, rel=0.05)


LEVELS = {CALLER: 1000, PERSON: 2000, ASSISTANT: 4000}


def test_audio_that_is_not_one_frame_long_is_cut() -> None:
    made, said = room(CALLER, PERSON), bytes(range(256)) * 2
    played = [one for at in range(0, 512, 100) for one in made.speak(PERSON, said[at : at + 100], at / 8000)]
    heard = heard_by(played, CALLER)
    assert {len(frame) for frame in heard} == {160}
    assert b"".join(heard) == said[:480]


# Time


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0, 0.009), min_size=100, max_size=100),
    st.lists(st.floats(0, 0.009), min_size=100, max_size=100),
    st.floats(0, 0.0199),
)
def test_with_jitter_every_frame_is_heard_within_40_ms(
    first: list[float], second: list[float], offset_s: float
) -> None:
    made = room(CALLER, PERSON, SUPERVISOR)
    said = voice(3)
    came = [(at * 0.02 + late, PERSON, said[at]) for at, late in enumerate(first)]
    came += [(at * 0.02 + offset_s + late, SUPERVISOR, SILENCE) for at, late in enumerate(second)]
    heard_at = {
        frame: now
        for now, member, one in sorted(came)
        for frame in heard_by(made.speak(member, one, now), CALLER)
    }
    delays = sorted(heard_at[frame] - now for now, member, frame in came if frame in heard_at)
    assert sum(frame in heard_at for frame in said) >= 98  # the last may wait
    assert delays[-1] <= 0.04


def test_a_speaker_who_stalls_for_three_seconds_makes_no_gap_for_the_others() -> None:
    made, said = room(CALLER, PERSON, SUPERVISOR), voice(4, 6.0)
    heard_at: list[float] = []
    for at, frame in enumerate(said):
        now = at * 0.02
        heard = heard_by(made.speak(PERSON, frame, now), CALLER)
        if not 1.0 <= now < 4.0:
            heard += heard_by(made.speak(SUPERVISOR, SILENCE, now + 0.01), CALLER)
            if now == 4.0:
                for _ in range(150):  # what was held up comes all at once
                    heard += heard_by(made.speak(SUPERVISOR, SILENCE, now + 0.011), CALLER)
        assert all(one in said for one in heard)
        heard_at += [now] * len(heard)
    gaps = np.diff(heard_at)
    assert gaps.max() <= 0.041
    assert len(heard_at) >= len(said) - 1


def test_what_was_held_up_is_at_most_160_ms_late_and_quiet_makes_up_for_it() -> None:
    made = room(CALLER, PERSON, SUPERVISOR)
    late, said = voice(5, 4.0), voice(6, 8.0)
    for at in range(50):
        made.speak(PERSON, said[at], at * 0.02)
    for frame in late[:150]:
        made.speak(SUPERVISOR, frame, 1.0)
    assert made.skipped == 150 - MOST_WAITING
    for at in range(51, 200):
        made.speak(PERSON, said[at], at * 0.02)
        made.speak(SUPERVISOR, SILENCE, at * 0.02 + 0.01)
    frame = late[199]
    made.speak(PERSON, SILENCE, 4.0)
    made.speak(SUPERVISOR, frame, 4.01)
    assert heard_by(made.speak(PERSON, SILENCE, 4.02), CALLER) == [frame]
    assert made.skipped == 149, "it waits for one frame of the other, as it did before"


def test_drift_of_200_ppm_over_ten_minutes_holds_what_waits_below_160_ms() -> None:
    made = room(CALLER, PERSON, SUPERVISOR)
    loud = voice(7)[0]
    came = sorted(
        [(at * 0.02, PERSON) for at in range(30_000)]
        + [(0.007 + at * 0.02 * (1 + 200e-6), SUPERVISOR) for at in range(29_994)]
    )
    heard = taken = 0
    for now, member in came:
        taken += member is PERSON
        heard += len(heard_by(made.speak(member, loud, now), CALLER))
        assert taken - heard <= MOST_WAITING
    assert heard >= 29_980


def test_a_speaker_who_pauses_is_not_waited_for() -> None:
    made = room(CALLER, PERSON, ASSISTANT)
    one, other = voice(8)[:2]
    assert made.speak(ASSISTANT, one, 0.0) == [
        (CALLER, one),
        (PERSON, one),
    ]  # none of the others has spoken yet
    assert heard_by(made.speak(PERSON, other, 0.005), CALLER) == []
    assert len(heard_by(made.pause(ASSISTANT, 0.005), CALLER)) == 1


# Roles that change


def test_another_role_holds_from_the_next_frame_on() -> None:
    made, said, whispered = room(CALLER, PERSON, supervisor=Role.LISTENS), voice(9), voice(10)
    turns: list[tuple[Role, Member | None, set[Member]]] = [
        (Role.LISTENS, None, set()),
        (Role.WHISPERS, PERSON, {PERSON}),
        (Role.TALKS, None, {PERSON, CALLER}),
        (Role.WHISPERS, CALLER, {CALLER}),
        (Role.LISTENS, None, set()),
    ]
    at = 0
    for role, to, hear in turns:
        made.place(SUPERVISOR, role, to)
        for _ in range(5):
            played = made.speak(SUPERVISOR, whispered[at], at * 0.02 - 0.002)
            played += made.speak(CALLER, SILENCE, at * 0.02)
            played += made.speak(PERSON, SILENCE, at * 0.02 + 0.001)
            assert {listener for listener, frame in played if frame == whispered[at]} == hear
            at += 1
    assert said[0] in heard_by(made.speak(PERSON, said[0], at * 0.02), CALLER)


def test_who_leaves_is_not_heard_any_more_and_nothing_of_the_others_is_lost() -> None:
    made, said = room(CALLER, PERSON, SUPERVISOR), voice(11)
    heard: list[bytes] = []
    for at, frame in enumerate(said):
        if at == 50:
            made.leave(SUPERVISOR)
        heard += heard_by(made.speak(PERSON, frame, at * 0.02), CALLER)
        heard += heard_by(made.speak(SUPERVISOR, SILENCE, at * 0.02 + 0.01), CALLER)
    assert heard == said
    assert made.speak(SUPERVISOR, SILENCE, 9.0) == []
    assert set(made.parts) == {CALLER, PERSON}
    made.leave(SUPERVISOR)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(Member), st.sampled_from(["speak", "place", "leave", "pause"]), PARTS),
        max_size=80,
    )
)
def test_whatever_comes_frames_are_whole_and_heard_by_those_who_are_to_hear_alone(
    came: list[tuple[Member, str, Part]],
) -> None:
    made, spoke, heard = room(CALLER, PERSON), 0, 0
    for at, (member, what, part) in enumerate(came):
        match what:
            case "speak":
                hears = {one: made.hears(one) for one in made.parts}
                played = made.speak(member, voice(12)[at % 100], at * 0.01)
                assert all(len(frame) == 160 and hears[listener] for listener, frame in played)
                spoke, heard = spoke + 1, heard + len(heard_by(played, CALLER))
            case "place":
                made.place(member, part.role, part.to)
            case "leave":
                made.leave(member)
            case _:
                heard += len(heard_by(made.pause(member, at * 0.01), CALLER))
    assert heard <= spoke
