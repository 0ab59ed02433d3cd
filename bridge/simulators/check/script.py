"""The scripted calls of a check: what the caller does, and what shows whether a rule is kept.

Each act records what came and what was expected, in the words of docs/stream-assistants.md. Times are seconds of the
call's clock.
"""

import json
from collections.abc import Callable, Generator, Set
from itertools import count
from math import inf

from bridge.core.timers import Limits
from bridge.simulators.check.checked_call import CheckedCall, Script, Wait
from bridge.simulators.check.part import Part
from bridge.simulators.check.rules import Rule
from bridge.simulators.check.verdicts import Verdicts

HELLO_S = Limits().open_s

GREETS_S = 1.5
"""An assistant that has sent no audio by then waits for the caller."""

LISTENS_S = 5.0
"""The caller speaks over a greeting that is longer than this."""

QUIET_S = 0.4
"""After so much silence a reply is over."""

LONGEST_REPLY_S = 30.0

HEARS_S = 0.3
"""How much of a reply the caller hears before they speak over it."""

NOTICES_S = 3.0
"""A reply that goes on for this long while the caller speaks does not stop any more."""

OVERLAPS_S = 1.5
"""A reply that ended by itself should have been stopped if the caller spoke over it for this long."""

UTTERANCE_ENDS_S = 2.0
"""How long it may take to notice the end of an utterance; the time for the reply begins then."""

ENTRY_S = 3.0
"""By then an entry is over."""

SILENCE_S = 3.0

SETTLES_S = 0.7
"""By then the effects of a message have happened."""

CLOSES_S = 2.0
"""How long the closing handshake of a connection may take."""

UNKNOWN = [
    json.dumps({"type": "weather", "outlook": "fair", "later": {"wind": [1, 2]}}),
    json.dumps({"type": "heard", "item": "an-item-that-never-was", "later": None}),
]
"""Messages that later versions of the bridge may send."""

OUR_ERROR = json.dumps({"type": "error", "why": "this is a check; nothing is wrong"})


def never() -> bool:
    """A condition that is never true, to wait for a fixed time."""
    return False


class Acts:
    """The acts of one call."""

    def __init__(self, call: CheckedCall, part: Part, found: Verdicts) -> None:
        self._call = call
        self._facts = call.facts
        self._line = call.line
        self._part = part
        self._found = found
        self._utterances = count()

    def whole_call(self) -> Script:
        """The whole call."""
        if not (yield from self._opens(Rule.HELLO)):
            return
        yield from self._greeting()
        yield from self._answer("the first utterance")
        if Rule.INTERRUPTION in self._found:
            yield from self._talk_over()
        yield from self._keys()
        if Rule.UNKNOWN in self._found:
            yield from self._strange_messages()
        yield from self._silence()
        if Rule.RECOVERY in self._found:
            yield from self._recovery()
        yield from self._answer("the last utterance")
        yield from self._goodbye()

    def call_beside(self, others: Callable[[], bool]) -> Script:
        """A second call, whose caller says nothing until `others` is true."""
        if (yield from self._opens(Rule.TWO_CALLS)):
            yield Wait(others, inf)
            self._call.hang_up()

    # The acts

    def _opens(self, rule: Rule) -> Generator[Wait, bool, bool]:
        call, facts = self._call, self._facts
        call.act = rule
        began = call.now
        yield Wait(lambda: bool(facts.ready or call.troubles), HELLO_S)
        if not facts.ready:
            if not call.troubles:
                self._found.wrong(
                    rule, f"no hello came within {HELLO_S:g} s", "answer the bridge's hello with one, at once"
                )
            return False
        ready, at = facts.ready[0]
        if rule is Rule.HELLO:
            self._found.ok(rule, f"after {_ms(at - began)}; hears {ready.hears}, speaks {ready.speaks}")
        return True

    def _greeting(self) -> Script:
        self._call.act = Rule.GREETING
        began = self._call.now
        if not (yield Wait(lambda: bool(self._facts.began), GREETS_S)):
            self._found.not_tried(Rule.GREETING, "it waits for the caller to speak first")
            return
        self._found.ok(Rule.GREETING, f"after {_ms(self._call.now - began)}")
        yield Wait(self._is_quiet, LISTENS_S)

    def _answer(self, what: str) -> Script:
        self._call.act = Rule.ANSWERS
        known = set(self._facts.began)
        self._speak()
        yield from self._await_answer(what, known)

    def _await_answer(self, what: str, known: Set[tuple[int, str]]) -> Script:
        facts, line, reply_timeout_s = self._facts, self._line, self._part.reply_s
        yield Wait(lambda: not line.speaking, inf)
        if (yield Wait(lambda: bool(facts.began.keys() - known), UTTERANCE_ENDS_S + reply_timeout_s)):
            began = min(facts.began[item] for item in facts.began.keys() - known)
            self._found.ok(Rule.ANSWERS, f"{what}, {_ms(max(0.0, began - line.spoke_until))} after its end")
        else:
            self._found.wrong(
                Rule.ANSWERS,
                f"no audio came within {reply_timeout_s:g} s of {what}",
                "answer what the caller says; --reply-s gives it more time",
            )

    def _talk_over(self) -> Script:
        call, facts, line = self._call, self._facts, self._line
        call.act = Rule.INTERRUPTION
        yield Wait(never, HEARS_S)
        if not line.playing(call.now):
            self._found.not_tried(Rule.INTERRUPTION, "the reply was too short to be spoken over")
            return
        known, cuts, since = set(facts.began), len(facts.cut), call.now
        self._speak()
        yield Wait(lambda: len(facts.cut) > cuts or not line.playing(call.now), NOTICES_S)
        overlap_s = call.now - since
        if len(facts.cut) > cuts:
            item, at, heard_ms = facts.cut[cuts]
            self._found.ok(
                Rule.INTERRUPTION,
                f"{item!r} stopped {_ms(at - since)} after the caller began; {heard_ms} ms of it were heard",
            )
        elif overlap_s < OVERLAPS_S:
            self._found.not_tried(Rule.INTERRUPTION, "the reply was too short to be spoken over")
        else:
            self._found.wrong(
                Rule.INTERRUPTION,
                f"the caller spoke over a reply for {overlap_s:.1f} s, and it went on",
                'send interrupt when you hear the caller, or have the bridge listen: "turns":"bridge" in hello',
            )
        call.act = Rule.ANSWERS
        yield from self._await_answer("the utterance over a reply", known)

    def _keys(self) -> Script:
        call, facts, line, keys = self._call, self._facts, self._line, self._part.keys
        yield Wait(self._is_quiet, LONGEST_REPLY_S)
        call.act = Rule.KEYS
        entries = len(facts.entered)
        line.type(keys, call.now)
        yield Wait(lambda: bool(len(facts.entered) > entries or facts.unanswered()), len(keys) + ENTRY_S)
        yield Wait(lambda: bool(facts.asked), SETTLES_S)
        self._found.ok(Rule.KEYS, f"it took {len(keys)} of them")
        call.act = Rule.ENTRY
        if not facts.asked:
            self._found.not_tried(Rule.ENTRY, f"it asked for none when the caller typed {keys}; see --keys")
            return
        timeout_s = max(wish.timeout_s or 0.0 for wish in facts.asked)
        yield Wait(lambda: not facts.unanswered(), timeout_s + 40 + ENTRY_S)
        yield Wait(never, SETTLES_S)
        self._found.ok(Rule.ENTRY, f"it asked for {len(facts.asked)}, and got the keys")

    def _strange_messages(self) -> Script:
        call, error_reports = self._call, self._call.watch.error_reports
        for rule, messages in ((Rule.UNKNOWN, UNKNOWN), (Rule.ERROR, [OUR_ERROR])):
            call.act = rule
            known = len(error_reports)
            for message in messages:
                call.tell(message)
            yield Wait(never, SETTLES_S)
            self._found.ok(rule, "it went on")
            if len(error_reports) > known:
                self._found.wrong(
                    rule,
                    f"it answered with an error: {error_reports[known][:100]!r}",
                    "ignore it, because later versions of the bridge may send more kinds and fields; write an error to your log",
                )

    def _silence(self) -> Script:
        yield Wait(self._is_quiet, LONGEST_REPLY_S)
        self._call.act = Rule.SILENCE
        spoken = len(self._facts.began)
        yield Wait(never, SILENCE_S)
        speaks = "it spoke" if len(self._facts.began) > spoken else "it was silent, too"
        self._found.ok(Rule.SILENCE, f"{speaks}")

    def _recovery(self) -> Script:
        call, facts = self._call, self._facts
        yield Wait(self._is_quiet, LONGEST_REPLY_S)
        call.act = Rule.RECOVERY
        greeted, since = len(facts.ready), call.now
        call.break_connection()
        if (yield Wait(lambda: len(facts.ready) > greeted, HELLO_S)):
            self._found.ok(Rule.RECOVERY, f"{_ms(call.now - since)} later, on a new connection")
            yield Wait(never, SETTLES_S)
        else:
            self._found.wrong(
                Rule.RECOVERY,
                f"after its connection broke no hello came on a new one within {HELLO_S:g} s",
                'take a new connection for the same call at any time, with "opening":"recovered"',
            )

    def _goodbye(self) -> Script:
        call = self._call
        yield Wait(self._is_quiet, LONGEST_REPLY_S)
        call.act = Rule.GOODBYE
        call.hang_up()
        if (yield Wait(lambda: call.ways[-1].gone, CLOSES_S)):
            self._found.ok(Rule.GOODBYE, "it closed the connection")
        else:
            self._found.wrong(
                Rule.GOODBYE,
                f"{CLOSES_S:g} s after the bridge had closed it the connection was still open",
                "read until the connection is closed, and answer the closing frame",
            )

    def _speak(self) -> None:
        speech = self._part.speech
        self._line.say(speech[next(self._utterances) % len(speech)])

    def _is_quiet(self) -> bool:
        return not self._line.playing(self._call.now - QUIET_S)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
