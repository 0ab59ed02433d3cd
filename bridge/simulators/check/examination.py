"""Checks one assistant with a whole call and a second one at the same time, and judges both. No socket.

Call `advance` at `deadline` until it is `over`. Units: seconds of the `clock` that is given.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from math import inf

from bridge.simulators.check.checked_call import CheckedCall, Dial, Script
from bridge.simulators.check.part import Part
from bridge.simulators.check.rules import Rule
from bridge.simulators.check.script import Acts
from bridge.simulators.check.verdicts import Verdict, Verdicts
from bridge.simulators.check.watch import GRACE_S, Piece, StreamWatch
from bridge.vocabulary.contracts import Assistant

APART_S = 1
"""Audio that both calls have within this time counts as said at once."""

LEAST_MATCH_BYTES = 160
MANY_VALUES = 8
"""Audio with at most so many different bytes is silence, or nearly."""

ENOUGH_MATCHES = 3

READY_RIGHT = {
    True: "a server that takes the WebSocket, and a hello as docs/stream-assistants.md has it",
    False: "a server that takes the WebSocket",
}
"""What was expected of the hello, by whether the assistant has the stream protocol."""

STAY_RIGHT = "keep the connection until the bridge closes it"

SHOWN = 160
"""How many letters of a message are shown."""


class Examination:
    """The check of one assistant by these `rules`. `dialect`: makes one for each connection."""

    def __init__(
        self,
        rules: Sequence[Rule],
        dialect: Callable[[], Assistant],
        dial: Dial,
        part: Part,
        clock: Callable[[], float],
    ) -> None:
        self._is_stream = Rule.ITEMS in rules
        self._found = Verdicts(rules)
        self._dialect = dialect
        self._dial = dial
        self._part = part
        self._clock = clock
        self._call = self._open("check-1", Acts.whole_call)
        self._beside: CheckedCall | None = None

    @property
    def over(self) -> bool:
        """Whether both calls have ended."""
        return self._call.over and (self._beside is None or self._beside.over)

    @property
    def act(self) -> Rule:
        """What the first call is trying now."""
        return self._call.act

    @property
    def has_answered(self) -> bool:
        """Whether the assistant was there at least once: ready on a WebSocket, or with an answer to a POST."""
        facts = self._call.facts
        return bool(facts.ready if Rule.HELLO in self._found else facts.began)

    def deadline(self) -> float:
        """When `advance` is to be called at the latest."""
        due = self._call.deadline()
        return due if self._beside is None else min(due, self._beside.deadline())

    def advance(self) -> None:
        """Do what is due by now in both calls."""
        self._call.advance()
        if self._beside is not None:
            self._beside.advance()
        elif self._call.facts.ready and not self._call.over:
            self._beside = self._open("check-2", lambda acts: acts.call_beside(lambda: self._call.over))

    def _open(self, name: str, play: Callable[[Acts], Script]) -> CheckedCall:
        return CheckedCall(
            name,
            self._dialect,
            self._dial,
            lambda call: play(Acts(call, self._part, self._found)),
            self._clock,
            watched=self._is_stream,
        )

    # Verdicts

    def verdicts(self, *, interrupted: bool = False) -> list[Verdict]:
        """A verdict for each rule, once the check is `over`, or was interrupted."""
        calls = [self._call] if self._beside is None else [self._call, self._beside]
        for call in calls:
            for during, why in call.troubles:
                self._found.wrong(during, why, self._right(during))
        if self._is_stream:
            self._judge_audio(self._call.watch)
            self._judge_items(self._call.watch)
        self._judge_messages([why for call in calls for why in (*call.watch.told, *call.facts.refused)])
        if self._beside is not None:
            self._judge_apart(self._call, self._beside)
        return self._found.all("the check was interrupted" if interrupted else self._why_not_tried())

    def _right(self, during: Rule) -> str:
        return READY_RIGHT[self._is_stream] if during is Rule.HELLO else STAY_RIGHT

    def _why_not_tried(self) -> str:
        if why := self._call.facts.leaves:
            return f"the assistant hung up before it: {why[:SHOWN]!r}"
        return "the call was over before it"

    def _judge_audio(self, watch: StreamWatch) -> None:
        if not watch.pieces:
            self._found.not_tried(Rule.AUDIO, "it sent no audio")
            return
        if watch.cut_samples:
            self._found.wrong(
                Rule.AUDIO,
                f"{watch.cut_samples} messages of audio end within a sample",
                "an even number of bytes in each message: L16 has two for a sample",
            )
        if watch.silent:
            self._found.wrong(Rule.AUDIO, "all its audio is silence", "speech, in the format of its hello")
        if watch.big_endian:
            self._found.wrong(Rule.AUDIO, "its L16 sounds like big endian", "little endian")
        seconds = sum(piece.ms for piece in watch.pieces) / 1000
        self._found.ok(Rule.AUDIO, f"{seconds:.1f} s in {len(watch.pieces)} messages")

    def _judge_items(self, watch: StreamWatch) -> None:
        for item, ms in watch.late_ms.items():
            self._found.wrong(
                Rule.INTERRUPTION,
                f"{ms / 1000:.1f} s of {item!r} came more than {GRACE_S:g} s after it was interrupted",
                "stop sending an item when interrupted names it",
            )
        if unended := [*watch.never_ended, *filter(None, [watch.open_item])]:
            self._found.wrong(
                Rule.ITEMS, f"{unended[0]!r} was never ended", "send reply_end when all of an item was sent"
            )
        named = {piece.item for piece in watch.pieces if piece.item}
        if not watch.pieces:
            self._found.not_tried(Rule.ITEMS, "it sent no audio")
        elif named:
            self._found.ok(Rule.ITEMS, f"{len(named)} of them")
        else:
            self._found.ok(Rule.ITEMS, "it names none; the bridge ends one when nothing has come for 500 ms")

    def _judge_messages(self, refused: Sequence[str]) -> None:
        distinct = list(dict.fromkeys(refused))
        for why in distinct[:1]:
            more = f", and {len(distinct) - 1} more" if len(distinct) > 1 else ""
            self._found.wrong(
                Rule.MESSAGES,
                f"the bridge refused this{more}: {why[:SHOWN]}",
                "messages as the documents have them",
            )
        if self._call.facts.ready:
            self._found.ok(Rule.MESSAGES, "it understood all of them")

    def _judge_apart(self, call: CheckedCall, beside: CheckedCall) -> None:
        if not beside.facts.ready:
            return
        first_word_at = call.line.first_word_at
        answers = [at for at in call.facts.began.values() if first_word_at is not None and at > first_word_at]
        since = min(answers, default=inf)  # greetings may be the same
        if crosstalk([piece for piece in call.watch.pieces if piece.at >= since], beside.watch.pieces):
            self._found.wrong(
                Rule.TWO_CALLS,
                "the same audio came in two calls at the same time",
                "keep what belongs to a call with its connection",
            )
        apart = ", and no audio came in both" if self._is_stream else ""
        self._found.ok(Rule.TWO_CALLS, f"it had two at once{apart}")


def crosstalk(said: Sequence[Piece], beside: Sequence[Piece]) -> bool:
    """Whether the same audio came in both calls at about the same time."""
    seconds: defaultdict[int, bytearray] = defaultdict(bytearray)
    for piece in beside:
        seconds[int(piece.at)] += piece.audio
    matches = 0
    for piece in said:
        audio = piece.audio
        at = int(piece.at)
        nearby = b"".join(bytes(seconds.get(second, b"")) for second in range(at - APART_S, at + APART_S + 1))
        for begin in range(0, len(audio) - LEAST_MATCH_BYTES + 1, LEAST_MATCH_BYTES):
            part = audio[begin : begin + LEAST_MATCH_BYTES]
            matches += len(set(part)) > MANY_VALUES and part in nearby
    return matches >= ENOUGH_MATCHES
