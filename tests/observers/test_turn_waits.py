"""How long the caller waited, as transcripts: when, what was seen; and the wait with its parts."""

from collections.abc import Sequence

import numpy as np
import pytest

from bridge.observers.caller_sound import CallerSound
from bridge.observers.usage import Accounting
from bridge.vocabulary.commands import (
    AnswerTool,
    AppendAudio,
    ClearPlayback,
    EnterDigits,
    PlayAudio,
    RunTool,
    SendMark,
)
from bridge.vocabulary.contracts import Turn
from bridge.vocabulary.events import (
    AssistantReady,
    CallStarted,
    DigitPressed,
    MarkReached,
    ReplyAudio,
    SpeechStarted,
    SpeechStopped,
    ToolAnswered,
    ToolCalled,
    Word,
)
from bridge.vocabulary.people import EndHandover, Outcome
from bridge.vocabulary.room import Member, Role, SetRole
from telecodecs.codec import encoder
from telecodecs.format import L16_16K, L16_24K, PCMA_8K, PCMU_8K, AudioFormat
from tests.observers.accounted import show

FRAME = b"\x55" * 160  # loud
QUIET = b"\xff" * 160
FIFTH = FRAME * 10
READY = AssistantReady(PCMU_8K, PCMU_8K, keys_interrupt=True)

Row = tuple[float, Word]


def turns(rows: Sequence[Row], ready: AssistantReady = READY) -> list[Turn]:
    accounting = Accounting()
    accounting.saw(CallStarted("CA1", "MZ1", PCMU_8K), 0.0)
    accounting.saw(ready, 0.0)
    for now, word in rows:
        show(accounting, word, now)
    return list(accounting.account({}).turns)


def frames(letters: str, begin: float = 0.0) -> list[Row]:
    """`letters`: one for each 100 ms, x is sound. Each frame is complete, and comes, at its end."""
    audio = [FRAME if letter == "x" else QUIET for letter in letters for _ in range(5)]
    return [(round(begin + 0.02 * (1 + n), 3), AppendAudio(frame)) for n, frame in enumerate(audio)]


HEARD: list[Row] = [
    (1.0, SpeechStarted()),
    (2.0, SpeechStopped("u1")),
    (2.5, ReplyAudio("a", FIFTH)),
    (2.51, PlayAudio(FIFTH)),
    (2.51, SendMark("0.1")),
    (2.6, ReplyAudio("a", FIFTH)),
    (2.6, PlayAudio(FIFTH)),
    (2.6, SendMark("0.2")),
    (2.75, MarkReached("0.1")),
    (2.95, MarkReached("0.2")),
]
INTERRUPTED: list[Row] = [
    (10.0, SpeechStopped()),
    (10.5, ReplyAudio("b", FIFTH)),
    (10.5, PlayAudio(FIFTH)),
    (10.5, SendMark("0.3")),
    (10.6, SpeechStarted()),
    (10.6, ClearPlayback(1000)),
    (10.65, MarkReached("0.3")),  # thrown away, not heard
]
STEPS: list[tuple[str, list[Row], list[tuple[int | None, int | None, int | None]]]] = [
    ("heard", HEARD, [(500, 10, 40)]),
    ("cleared before it was heard", INTERRUPTED, [(500, 0, None)]),
    (
        "cleared before its first mark was sent",
        [*INTERRUPTED[:3], *INTERRUPTED[4:6], (11.0, SendMark("1.4")), (11.2, MarkReached("1.4"))],
        [(500, 0, None)],
    ),
    (
        "cleared after it was heard",
        [*HEARD, (3.0, SpeechStarted()), (3.0, ClearPlayback(100))],
        [(500, 10, 40)],
    ),
    (
        "the reply cuts the waiting signal",
        [
            *HEARD[:2],
            (2.2, PlayAudio(FIFTH * 5)),
            (2.2, SendMark("0.1")),
            (2.5, ReplyAudio("a", FIFTH)),
            (2.5, ClearPlayback(5600)),
            (2.51, PlayAudio(FIFTH)),
            (2.51, SendMark("1.2")),
            (2.75, MarkReached("1.2")),
        ],
        [(500, 10, 40)],
    ),
    ("one after the other", [*HEARD, *INTERRUPTED], [(500, 10, 40), (500, 0, None)]),
    ("never replied to", HEARD[:2], [(None, None, None)]),
    ("replied to and never sent", HEARD[:3], [(500, None, None)]),
    (
        "the caller goes on: only the last utterance is waited on",
        [(1.0, SpeechStopped()), (1.2, SpeechStarted()), *HEARD[1:]],
        [(None, None, None), (500, 10, 40)],
    ),
    (
        "the caller goes on and the assistant speaks meanwhile",
        [(1.0, SpeechStopped()), (1.2, SpeechStarted()), (1.4, ReplyAudio("a", FIFTH)), (1.4, PlayAudio(FIFTH))],
        [(None, None, None)],
    ),
    (
        "the caller hums, and is not meant to interrupt",
        [*HEARD[:5], (2.6, SpeechStarted(interrupts=False)), (2.7, SpeechStopped()), (2.75, MarkReached("0.1"))],
        [(500, 10, 40), (None, None, None)],
    ),
    (
        "the tail of an earlier reply is no answer",
        [
            (1.0, ReplyAudio("greeting", FIFTH)),
            (2.0, SpeechStopped()),
            (2.1, ReplyAudio("greeting", FIFTH)),
            (2.1, PlayAudio(FIFTH)),
            (2.1, SendMark("0.1")),
            (2.2, MarkReached("0.1")),
            (3.0, ReplyAudio("a", FIFTH)),
        ],
        [(1000, None, None)],
    ),
    (
        "the greeting is no turn",
        [(0.5, ReplyAudio("g", FIFTH)), (0.5, PlayAudio(FIFTH)), (0.5, SendMark("0.1")), (0.9, MarkReached("0.1"))],
        [],
    ),
    (
        "a tool is part of the wait",
        [
            (1.0, SpeechStopped()),
            (1.3, ToolCalled("c1", "book", "{}")),
            (1.3, RunTool("c1", "book", "{}")),
            (3.0, ToolAnswered("c1", "done")),
            (3.0, AnswerTool("c1", "done")),
            (3.5, ReplyAudio("a", FIFTH)),
        ],
        [(2500, None, None)],
    ),
    (
        "an entry",
        [(5.0, EnterDigits("4711")), (5.4, ReplyAudio("a", FIFTH)), (5.4, PlayAudio(FIFTH))],
        [(400, 0, None)],
    ),
    (
        "an entry that interrupts",
        [*INTERRUPTED[:4], (10.6, ClearPlayback(1000)), (10.6, EnterDigits("1")), (11.0, ReplyAudio("c", FIFTH))],
        [(500, 0, None), (400, None, None)],
    ),
    (
        "in a room with a person nobody knows whose turn it was, and who is heard next",
        [
            (0.5, SetRole(Member.CALLER, Role.TALKS)),
            (0.5, SetRole(Member.PERSON, Role.TALKS)),
            (0.5, SetRole(Member.ASSISTANT, Role.SILENT)),
            *HEARD,
        ],
        [(None, None, None)],
    ),
    (
        "a turn that was not heard when the room begins",
        [*HEARD[:3], (2.5, SetRole(Member.PERSON, Role.TALKS)), *HEARD[3:]],
        [(500, None, None)],
    ),
    (
        "back from a room with a person",
        [
            (0.2, SetRole(Member.PERSON, Role.TALKS)),
            (0.3, SpeechStopped()),
            (0.5, EndHandover("ann", Outcome.TALKED, 1.0, 5.0)),
            *HEARD,
        ],
        [(None, None, None), (500, 10, 40)],
    ),
    (
        "a room with a supervisor alone has waits",
        [
            (0.5, SetRole(Member.CALLER, Role.TALKS)),
            (0.5, SetRole(Member.ASSISTANT, Role.TALKS)),
            (0.5, SetRole(Member.SUPERVISOR, Role.LISTENS)),
            *HEARD,
        ],
        [(500, 10, 40)],
    ),
    (
        "another assistant takes over, with the same names",
        [
            (1.0, ReplyAudio("reply-1", FIFTH)),
            (2.0, SpeechStopped()),
            (4.0, AssistantReady(PCMU_8K, PCMU_8K)),
            (4.2, ReplyAudio("reply-1", FIFTH)),
        ],
        [(2200, None, None)],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "steps"), [row[1:] for row in STEPS], ids=[row[0] for row in STEPS])
def test_the_steps_of_a_turn_whose_speech_is_not_known(
    rows: list[Row], steps: list[tuple[int | None, int | None, int | None]]
) -> None:
    """No audio of the caller was seen: the wait is left out, and so is the pause."""
    assert turns(rows) == [Turn(None, None, *of_turn) for of_turn in steps]


def of_reply(*, begins_with_ms: int = 0, back: float = 2.55, stopped: float = 2.0) -> list[Row]:
    """A reply that is announced by a pause at `stopped`, and whose mark comes back at `back`."""
    audio = QUIET * (begins_with_ms // 20) + FRAME * (10 - begins_with_ms // 20)
    return [
        (stopped, SpeechStopped()),
        (2.3, ReplyAudio("a", audio)),
        (2.31, PlayAudio(audio)),
        (2.31, SendMark("0.1")),
        (back, MarkReached("0.1")),
    ]


WAITS: list[tuple[str, list[Row], Turn]] = [
    ("voice to voice", [*frames("...xxxxxxxxxx......."), *of_reply()], Turn(1050, 700, 300, 10, 40)),
    (
        "the silence that a reply begins with is waited for",
        [*frames("...xxxxxxxxxx......."), *of_reply(begins_with_ms=80)],
        Turn(1130, 700, 300, 10, 120),
    ),
    (
        "a pause within the speech",
        [*frames("xxxxx....xxxx......."), *of_reply()],
        Turn(1050, 700, 300, 10, 40),
    ),
    (
        "the speech came in a burst, for the assistant was not ready",
        [*((1.3, word) for _, word in frames("xxxxxxxxxx...")), *frames(".......", 1.3), *of_reply()],
        Turn(1350, 1000, 300, 10, 40),
    ),
    (
        "speech that ended long before counts too",
        [*frames("xxxx" + "." * 80, -6.4), *of_reply()],
        Turn(8350, 8000, 300, 10, 40),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "turn"), [row[1:] for row in WAITS], ids=[row[0] for row in WAITS])
def test_a_wait_is_from_the_end_of_the_speech_to_the_first_sound_heard(rows: list[Row], turn: Turn) -> None:
    assert turns(rows) == [turn]
    assert turn.wait_ms == sum(part or 0 for part in turn[1:])


UNKNOWN: list[tuple[str, list[Row]]] = [
    ("the caller was never heard", frames("." * 20)),
    ("a steady sound to the very end may be noise as well as a voice", frames("...xxxxxxxxxxxxxxxxx")),
    ("too long ago", frames("xx" + "." * 130, -11.2)),
    (
        "a pause is reported twice",
        [*frames("...xxxxxxxxxx......."), (1.9, SpeechStopped())],
    ),
    (
        "somebody interrupts with a key, long after the last word",
        [*frames("xx" + "." * 38, -2.0), (2.0, SpeechStarted())],
    ),
]  # fmt: skip


@pytest.mark.parametrize("rows", [row[1] for row in UNKNOWN], ids=[row[0] for row in UNKNOWN])
def test_a_wait_whose_beginning_is_not_known_is_left_out(rows: list[Row]) -> None:
    assert turns([*rows, *of_reply()])[-1] == Turn(None, None, 300, 10, 40)


def test_a_reply_that_is_silent_at_first_is_heard_by_its_first_sound() -> None:
    """The sound is in the second piece, behind 300 ms of silence; a mark before it proves nothing."""
    rows: list[Row] = [
        *frames("xxxxxxxxxxxxx......."),
        (2.0, SpeechStopped()),
        (2.1, ReplyAudio("a", QUIET * 10)),
        (2.1, PlayAudio(QUIET * 10)),
        (2.1, SendMark("0.1")),
        (2.1, PlayAudio(QUIET * 5 + FRAME * 5)),
        (2.1, SendMark("0.2")),
        (2.35, MarkReached("0.1")),
        (2.55, MarkReached("0.2")),
    ]
    assert turns(rows) == [Turn(1150, 700, 100, 0, 350)]


def test_a_reply_behind_what_is_still_played_is_heard_later() -> None:
    rows: list[Row] = [
        (1.5, ReplyAudio("before", FIFTH * 5)),
        *((1.5, PlayAudio(FIFTH)) for _ in range(5)),
        *frames("xxxxxxxxxxxxx......."),
        *of_reply(back=2.7),
    ]
    assert turns(rows) == [Turn(1200, 700, 300, 10, 190)], "a second from 1.5 on, so behind 2.5"


def test_the_line_to_the_caller_is_part_of_the_wait() -> None:
    far = [*frames("xxxxxxxxxxxxx......."), *of_reply(back=2.51 + 0.3)]
    assert turns(far) == [Turn(1310, 700, 300, 10, 300)]


def test_a_typed_entry_is_waited_for_from_its_last_key() -> None:
    rows: list[Row] = [
        (0.2, DigitPressed("4")),
        (0.5, DigitPressed("2")),
        (2.0, EnterDigits("42")),
        *of_reply()[1:],
    ]
    assert turns(rows) == [Turn(1850, 1500, 300, 10, 40)]


@pytest.mark.parametrize("hears", [PCMU_8K, PCMA_8K, L16_16K, L16_24K], ids=str)
@pytest.mark.parametrize("noise_dbfs", [None, -45.0, -35.0, -30.0])
def test_the_end_of_speech_is_found_in_noise(hears: AudioFormat, noise_dbfs: float | None) -> None:
    """Half a second of a voice at -15 dBFS, then 700 ms without one."""
    rng = np.random.default_rng(7)
    seconds = np.arange(int(hears.rate_hz * 1.7)) / hears.rate_hz
    voice = 8_200 * np.sin(2 * np.pi * 300 * seconds) * ((seconds > 0.5) & (seconds < 1.0))
    noise = 0 if noise_dbfs is None else rng.normal(0, 23_170 * 10 ** (noise_dbfs / 20), len(seconds))
    audio = encoder(hears)((voice + noise).astype(np.int16))
    step = hears.bytes_in(20)
    sound = CallerSound()
    sound.change(hears)
    for index in range(len(audio) // step):
        sound.frames.append(audio[index * step : (index + 1) * step])
        sound.came.append(5 + (index + 1) * 0.02)
        if len(sound.frames) == 50:
            sound.measure()
    assert sound.ended_at() == pytest.approx(6.0, abs=0.01)


def test_frames_of_any_length_are_measured() -> None:
    sound = CallerSound()
    audio = FRAME * 50 + QUIET * 30
    for at in range(0, len(audio), 333):
        sound.frames.append(audio[at : at + 333])
        sound.came.append(min(at + 333, len(audio)) / 8000)
    assert sound.ended_at() == pytest.approx(1.0, abs=0.011)


def test_a_call_may_begin_long_after_the_clock() -> None:
    """The clock counts from when the machine was started; the bursts are of two seconds."""
    sound = CallerSound()
    begin = 40_000_000.0
    for index in range(50 * 30):
        sound.frames.append(FRAME if index < 50 * 25 else QUIET)
        sound.came.append(begin + 0.02 * (index // 100 * 100 + 100))
        if len(sound.frames) == 50:
            sound.measure()
    assert sound.ended_at() == pytest.approx(begin + 25, abs=0.001)


def test_little_is_kept_of_a_long_call() -> None:
    sound = CallerSound()
    for index in range(50 * 60):
        sound.frames.append(FRAME)
        sound.came.append(index * 0.02)
        if len(sound.frames) == 50:
            sound.measure()
    assert sum(kept.levels.nbytes + kept.lags.nbytes for kept in sound._measured) <= 8_000
    assert not sound.frames


def test_stereo_is_not_measured_and_does_no_harm() -> None:
    stereo = AudioFormat(PCMU_8K.encoding, 8000, 2)
    ready = AssistantReady(stereo, stereo)
    assert turns([*frames("xxx..."), *of_reply()], ready) == [Turn(None, None, 300, 10, 40)]
