"""Assistants that break one rule each, and the words that the check finds for it. No sockets; a call takes no time."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from bridge.simulators.check.examination import crosstalk
from bridge.simulators.check.rules import Rule
from bridge.simulators.check.verdicts import Outcome, Verdict
from bridge.simulators.check.watch import Piece

Event = dict[str, Any]
Examined = Callable[[dict[str, Any]], list[Verdict]]

SWAPPED = "its L16 sounds like big endian"


class Broken(NamedTuple):
    """What is broken, by the methods and values that take the place of the right ones."""

    instead: dict[str, Any]
    rule: Rule
    came: str
    right: str


def nothing(*_: object) -> None:
    pass


def reads_but(kind: str, do: Callable[[Any], None]) -> Callable[[Any, Event], None]:
    """Reads as it should, but for messages of one kind."""

    def reads(self: Any, event: Event) -> None:
        do(self) if event["type"] == kind else self.reads_well(event)

    return reads


def first_says(**message: object) -> Callable[[Any, Event], None]:
    """Says something wrong, once, before the hello is answered."""

    def reads(self: Any, event: Event) -> None:
        self.reads_well(event)
        if event["type"] == "hello":
            self.tells(**message)

    return reads


def speaks_first(self: Any, event: Event) -> None:
    if event["type"] == "hello":
        self.sends(bytes(320))
    self.reads_well(event)


def says_odd(self: Any, audio: bytes) -> None:
    self.sends(audio[:-1])


def says_swapped(self: Any, audio: bytes) -> None:
    self.says_well(np.frombuffer(audio, "<i2").astype(">i2").tobytes())


def says_without_end(self: Any, audio: bytes) -> None:
    self.tells("reply", item=f"reply-{next(self.items)}")
    self.sends(audio)


def says_on_and_on(self: Any, audio: bytes) -> None:
    """In real time, whatever the bridge says."""
    self.tells("reply", item=f"reply-{next(self.items)}")
    pieces = [audio[at : at + 3_200] for at in range(0, len(audio), 3_200)]
    for number, piece in enumerate(pieces):
        self.room.later(0.2 * number, lambda piece=piece: self.sends(piece))
    self.room.later(0.2 * len(pieces), lambda: self.tells("reply_end"))


def says_to_all(self: Any, audio: bytes) -> None:
    for conversation in self.room.calls:
        conversation.says_well(audio)


def reads_by_itself(self: Any, event: Event) -> None:
    """Has the turns for its own affair, and answers whatever it hears after a while."""
    self.reads_well(event)
    if event["type"] == "hello":
        self.room.later(3.0, lambda: self.says(self.reply))


def leaves(self: Any) -> None:
    self.leaves()


def reports_error(self: Any) -> None:
    self.tells("error", why="what is this?")


def opened_once(self: Any) -> None:
    if self.number:
        self.leaves(1013, "busy")


def opened_twice(self: Any) -> None:
    if self.number > 1:
        self.leaves(1008, "who are you?")


def leaves_when_typed(self: Any, _entry: Event) -> None:
    self.leaves()


def asks_for_much(self: Any, entry: Event) -> None:
    if entry["digits"] == "0":
        self.tells("collect_digits", id="code", length=500)


def leaves_when_told(self: Any, entry: Event) -> None:
    if entry["id"]:
        self.leaves()
    else:
        self.tells("collect_digits", id="code", length=4)


def hears_and_leaves(self: Any, audio: bytes) -> None:
    """After fifteen seconds of the call."""
    self.heard_bytes = getattr(self, "heard_bytes", 0) + len(audio)
    if self.heard_bytes == 15 * 16_000 and not self.number:
        self.leaves(1001, "idle")


OTHER_FORMAT = {"encoding": "l16", "rate_hz": 44_100}
TURNS = {"hears": {"encoding": "l16", "rate_hz": 8_000}, "turns": "assistant"}
CONNECTION = "the connection was lost: a fault (1011)"
STAYS = "keep the connection until the bridge closes it"

BROKEN = {
    "says nothing": Broken(
        {"reads": nothing}, Rule.HELLO, "no hello came within 5 s", "answer the bridge's hello with one"
    ),
    "wants a format of its own": Broken(
        {"hello": {"speaks": OTHER_FORMAT}},
        Rule.HELLO,
        "hello: speaks: l16/44100 is not on offer",
        "a hello as",
    ),
    "misspells its hello": Broken(
        {"hello": {"heers": OTHER_FORMAT}},
        Rule.HELLO,
        "hello: there is no field heers; did you mean hears?",
        "",
    ),
    "refuses": Broken({"opened": leaves}, Rule.HELLO, CONNECTION, "a server that takes the WebSocket"),
    "speaks first": Broken(
        {"reads": speaks_first}, Rule.MESSAGES, "audio before hello: expected hello first", ""
    ),
    "has nothing to answer": Broken(
        {"reads": reads_but("speech_stopped", nothing)},
        Rule.ANSWERS,
        "no audio came within 1 s of the first utterance",
        "answer what the caller says",
    ),
    "sends half samples": Broken(
        {"says": says_odd}, Rule.AUDIO, "messages of audio end within a sample", "an even number of bytes"
    ),
    "sends silence": Broken(
        {"reply": bytes(40_000), "says": lambda self, audio: self.says_well(bytes(len(audio)))},
        Rule.AUDIO,
        "all its audio is silence",
        "speech",
    ),
    "sends big endian": Broken({"says": says_swapped}, Rule.AUDIO, SWAPPED, "little endian"),
    "never ends an item": Broken(
        {"says": says_without_end},
        Rule.ITEMS,
        "was never ended",
        "send reply_end when all of an item was sent",
    ),
    "talks on": Broken(
        {"says": says_on_and_on},
        Rule.INTERRUPTION,
        "of 'reply-2' came more than 1 s after it was interrupted",
        "stop sending",
    ),
    "does not hear that it is spoken over": Broken(
        {"hello": TURNS, "reads": reads_by_itself, "reply": bytes(range(256)) * 250},
        Rule.INTERRUPTION,
        "the caller spoke over a reply for",
        "send interrupt when you hear the caller",
    ),
    "falls over a key": Broken({"entered": leaves_when_typed}, Rule.KEYS, CONNECTION, STAYS),
    "asks for too much": Broken(
        {"entered": asks_for_much}, Rule.MESSAGES, "collect_digits: length", "messages as the documents"
    ),
    "falls over its entry": Broken({"entered": leaves_when_told}, Rule.ENTRY, CONNECTION, STAYS),
    "falls over what is new": Broken(
        {"reads": reads_but("weather", leaves)}, Rule.UNKNOWN, CONNECTION, STAYS
    ),
    "reports an error about what is new": Broken(
        {"reads": reads_but("weather", reports_error)}, Rule.UNKNOWN, "'what is this?'", "ignore it"
    ),
    "falls over an error": Broken({"reads": reads_but("error", leaves)}, Rule.ERROR, CONNECTION, STAYS),
    "argues about an error": Broken(
        {"reads": reads_but("error", reports_error)},
        Rule.ERROR,
        "'what is this?'",
        "write an error to your log",
    ),
    "leaves when nobody speaks": Broken(
        {"hears": hears_and_leaves}, Rule.SILENCE, "the connection was lost: idle (1001)", STAYS
    ),
    "has room for one": Broken(
        {"opened": opened_once}, Rule.TWO_CALLS, "the connection was lost: busy (1013)", STAYS
    ),
    "says to all what is for one": Broken(
        {"says": says_to_all},
        Rule.TWO_CALLS,
        "the same audio came in two calls",
        "its connection",
    ),
    "does not come back": Broken(
        {"opened": opened_twice}, Rule.RECOVERY, "the connection was lost: who are you? (1008)", STAYS
    ),
    "never closes": Broken(
        {"close": nothing}, Rule.GOODBYE, "the connection was still open", "answer the closing frame"
    ),
    "invents a message": Broken(
        {"reads": first_says(kind="replay")},
        Rule.MESSAGES,
        "there is no type 'replay'; did you mean reply?",
        "",
    ),
    "transfers to a number": Broken(
        {"reads": first_says(kind="transfer", to="+15550100")},
        Rule.MESSAGES,
        "transfer: there is no field to; known here: id, person, why, summary",
        "",
    ),
    "calls a tool of nobody's": Broken(
        {"reads": first_says(kind="call_tool", id="t", tool="weather")},
        Rule.MESSAGES,
        "there is no such tool; the settings have none",
        "",
    ),
    "sends no JSON": Broken(
        {"reads": reads_but("speech_started", lambda self: self.sends("hello?"))},
        Rule.MESSAGES,
        "not a JSON object",
        "",
    ),
}


@pytest.fixture
def examined(examine: Callable[[type], list[Verdict]], polite: type) -> Examined:
    """The verdicts on the right assistant with this `instead`."""

    def examined(instead: dict[str, Any]) -> list[Verdict]:
        well = {"reads_well": polite.reads, "says_well": polite.says}  # type: ignore[attr-defined]
        return examine(type("Wrong", (polite,), well | instead))

    return examined


def test_an_assistant_that_does_everything_right(examined: Examined) -> None:
    verdicts = examined({})
    assert [verdict.rule for verdict in verdicts] == list(Rule)
    assert {verdict.outcome for verdict in verdicts} == {Outcome.OK}, verdicts


@pytest.mark.parametrize("name", BROKEN)
def test_says_what_is_wrong_and_what_was_expected(name: str, examined: Examined) -> None:
    instead, rule, came, right = BROKEN[name]
    verdicts = {verdict.rule: verdict for verdict in examined(instead)}
    found = verdicts[rule]
    assert found.outcome is Outcome.WRONG, verdicts
    assert came in found.came
    assert right in found.right


def test_the_smallest_assistant_passes(examined: Examined) -> None:
    """It says hello and sends audio, and reads nothing else but when to speak."""
    verdicts = examined({"hello": {}, "entered": nothing, "says": lambda self, audio: self.sends(audio[::2])})
    assert [verdict.rule for verdict in verdicts if verdict.outcome is Outcome.WRONG] == []
    assert {verdict.rule: verdict.came for verdict in verdicts}[Rule.ITEMS].startswith("it names none")


def test_one_that_hangs_up_is_not_wrong(examined: Examined) -> None:
    verdicts = examined({"entered": lambda self, _entry: self.tells("hang_up", why="all is settled")})
    assert not [verdict for verdict in verdicts if verdict.outcome is Outcome.WRONG]
    last = {verdict.rule: verdict for verdict in verdicts}[Rule.RECOVERY]
    assert last == Verdict(
        Rule.RECOVERY, Outcome.NOT_TRIED, "the assistant hung up before it: 'all is settled'"
    )


def test_entries_are_not_tried_if_it_asks_for_none(examined: Examined) -> None:
    verdicts = {verdict.rule: verdict for verdict in examined({"entered": nothing})}
    assert verdicts[Rule.ENTRY] == Verdict(
        Rule.ENTRY, Outcome.NOT_TRIED, "it asked for none when the caller typed 0; see --keys"
    )


def test_one_that_hangs_up_on_who_says_nothing_had_two_calls(examined: Examined) -> None:
    def hears(self: Any, audio: bytes) -> None:
        self.heard_bytes = getattr(self, "heard_bytes", 0) + len(audio)
        if self.number == 1 and self.heard_bytes == 5 * 16_000:
            self.tells("hang_up", why="nobody is there")

    verdicts = {verdict.rule: verdict for verdict in examined({"hears": hears})}
    assert verdicts[Rule.TWO_CALLS].outcome is Outcome.OK


# What is heard in two calls

NOISE = np.random.default_rng(7).integers(0, 256, 1_600, np.uint8).tobytes()
CROSSTALK = [  # what was said when, beside it, whether that is too much
    ([(1.0, NOISE)], [(1.1, NOISE)], True),
    ([(1.0, NOISE)], [(1.1, NOISE[160:1_000])], True),
    ([(1.0, NOISE)], [(9.0, NOISE)], False),
    ([(1.0, NOISE)], [(1.0, NOISE[::-1])], False),
    ([(1.0, bytes(1_600))], [(1.0, bytes(1_600))], False),
    ([(1.0, NOISE)], [], False),
]


@pytest.mark.parametrize(("said", "beside", "too_much"), CROSSTALK)
def test_finds_audio_of_one_call_in_another(
    said: list[tuple[float, bytes]], beside: list[tuple[float, bytes]], too_much: bool
) -> None:
    pieces = [[Piece(at, "", audio, 0.0) for at, audio in call] for call in (said, beside)]
    assert crosstalk(*pieces) is too_much
