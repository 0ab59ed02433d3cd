"""The scripted calls: what the caller does, act by act, and what of it tells whether a rule is kept.

Each act says what came and what would be right, in the words of docs/stream-assistants.md. Seconds on the call's clock.
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
"""An assistant that has said nothing by then waits for the caller."""

LISTENS_S = 5.0
"""A greeting that is longer than this is spoken over."""

QUIET_S = 0.4
"""So long without sound, and a reply is over."""

LONGEST_REPLY_S = 30.0

HEARS_S = 0.3
"""So much of a reply the caller hears before he speaks over it."""

NOTICES_S = 3.0
"""Spoken over for so long, a reply that goes on will not stop any more ..."""

OVERLAPS_S = 1.5
"""... and if it came to its end by itself, after this long it should have stopped."""

UTTERANCE_ENDS_S = 2.0
"""So long it may take to notice that an utterance is over; the reply_timeout for a reply begins then."""

ENTRY_S = 3.0
"""An entry is over by then."""

SILENCE_S = 3.0

SETTLES_S = 0.7
"""What a message brings about has come about."""

CLOSES_S = 2.0
"""The handshake at the end of a connection."""

UNKNOWN = [
    json.dumps({"type": "weather", "outlook": "fair", "later": {"wind": [1, 2]}}),
    json.dumps({"type": "heard", "item": "an-item-that-never-was", "later": None}),
]
"""What the bridge may come to send."""

OUR_ERROR = json.dumps({"type": "error", "why": "this is a check; nothing is wrong"})


def never() -> bool:
    """For what takes its time whatever happens."""
    return False


class Acts:
    """One call's."""

    def __init__(self, call: CheckedCall, part: Part, found: Verdicts) -> None:
        self._call = call
        self._facts = call.facts
        self._line = call.line
        self._part = part
        self._found = found
        self._utterances = count()

    def whole_call(self) -> Script:
        """All of it."""
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
        """A caller who says nothing, until the `others` have ended."""
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
        self._found.ok(Rule.ENTRY, f"it asked for {len(facts.asked)}, and took what it was told")

    def _strange_messages(self) -> Script:
        call, error_reports = self._call, self._call.watch.error_reports
        for rule, messages in ((Rule.UNKNOWN, UNKNOWN), (Rule.ERROR, [OUR_ERROR])):
            call.act = rule
            known = len(error_reports)
            for message in messages:
                call.tell(message)
            yield Wait(never, SETTLES_S)
            self._found.ok(rule, "it did not mind")
            if len(error_reports) > known:
                self._found.wrong(
                    rule,
                    f"it answered with an error: {error_reports[known][:100]!r}",
                    "ignore it, for the bridge may come to send more kinds and fields; write an error to your log",
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
            self._found.ok(Rule.GOODBYE, "it closed the connection, too")
        else:
            self._found.wrong(
                Rule.GOODBYE,
                f"{CLOSES_S:g} s after the bridge had closed it the connection still stood",
                "read until the connection is closed, and answer the closing frame",
            )

    def _speak(self) -> None:
        speech = self._part.speech
        self._line.say(speech[next(self._utterances) % len(speech)])

    def _is_quiet(self) -> bool:
        return not self._line.playing(self._call.now - QUIET_S)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
