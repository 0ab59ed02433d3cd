"""Phone calls under Telnyx's Call Control: webhooks in, the next steps out.

Wire: Telnyx, "Voice API webhooks". They come in any order, repeated, and several at a time. So each is taken as proof
of all that must have been before it, and after a hang-up nothing that comes makes a difference.
Does not talk to Telnyx: whoever takes a step tells if it was `refused`. Units: seconds. No clock: `now` is passed in.

unknown ──ours──▶ ringing ──answered──▶ screening ──human──▶ streaming ──▶ leaving ──▶ ended
                     └───────answered, nobody to screen──────────▲
"""

from base64 import b64encode
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from msgspec import DecodeError, Struct, json

from bridge.carriers.telnyx.webhook import DETECTION_ENDED, GREETING_ENDED, CallEvent

NOT_ANSWERED = "90034"
CALL_ENDED = "90018"
STREAMING_IN_USE = "90045"

REMEMBERED_S = 600.0
"""How long a call that has ended is known, so that nothing late takes it up again."""

MOST = 10_000
"""Calls under way, and as many that have ended: far more than a server carries. The oldest go."""

VERDICT_S = 15.0
"""From the answer to the verdict who answered. It takes some 4 s; whoever it is should not hear silence for longer."""

LONGEST_WHY = 200

HUMANS = frozenset({"human_residence", "human_business"})
GREETING_ENDS = frozenset({"ended", "beep_detected", "no_beep_detected", "prompt_ended"})


class ClientState(Struct, frozen=True):
    """What we give a call along, and find again in each of its webhooks: the proof that it is ours."""

    assistant: str = ""
    """Who answers, by name; the default if empty."""
    wants_human: bool = False
    """It was asked who answered, and the assistant waits for the verdict."""

    def encode(self) -> str:
        """As a command carries it: base64."""
        return b64encode(json.encode(_Marked(self))).decode()


class _Marked(Struct):
    voicebridge: ClientState


def read_client_state(text: str) -> ClientState | None:
    """`text` is decoded, as `CallEvent` has it; None if it is not ours."""
    try:
        return json.decode(text, type=_Marked).voicebridge
    except (DecodeError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the call."""


@dataclass(frozen=True, slots=True)
class StartStreaming:
    """Bring the call's media to the assistant."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call. `why`: for the log."""

    why: str


Step = Answer | StartStreaming | HangUp


class Stage(StrEnum):
    """How far a phone call is."""

    UNKNOWN = "unknown"
    """Nothing says as yet that it is ours."""
    RINGING = "ringing"
    SCREENING = "screening"
    """Answered; who answered is not known yet."""
    STREAMING = "streaming"
    LEAVING = "leaving"
    """We hang up."""
    ENDED = "ended"


MOVES: dict[Stage, frozenset[Stage]] = {
    Stage.UNKNOWN: frozenset({Stage.RINGING, Stage.ENDED}),
    Stage.RINGING: frozenset({Stage.SCREENING, Stage.STREAMING, Stage.LEAVING, Stage.ENDED}),
    Stage.SCREENING: frozenset({Stage.STREAMING, Stage.LEAVING, Stage.ENDED}),
    Stage.STREAMING: frozenset({Stage.RINGING, Stage.LEAVING, Stage.ENDED}),  # back: Telnyx has it unanswered
    Stage.LEAVING: frozenset({Stage.ENDED}),
    Stage.ENDED: frozenset(),
}


class PhoneCall:
    """One call. `talk_to`: the verdicts, in Telnyx's words, with which somebody is put through to the assistant.

    `human` stands for both humans of the premium detection. The end of a greeting (`beep_detected` and the like) is
    waited for where it is among them, and is a machine's.
    """

    def __init__(self, talk_to: Collection[str] = ("human",)) -> None:
        self.stage = Stage.UNKNOWN
        self.client_state = ClientState()
        self._talk_to = frozenset(talk_to)
        self._screens = False  # a verdict is still to come
        self._awaits_greeting = False  # it is a machine, whose greeting is to end
        self._answering = False  # we take it
        self._answered = False
        self._tried_again = False  # to stream, after Telnyx said that nobody has answered

    def handle(self, event: CallEvent) -> list[Step]:
        """What to do now that this webhook came."""
        if event.type == "call.hangup":
            self._end()
            return []
        if self.stage is Stage.UNKNOWN:
            return self._recognise(event)
        return self._go_on(event)

    def verdict_overdue(self) -> list[Step]:
        """Nothing says who answered: that is `not_sure`, too."""
        if self.stage is not Stage.SCREENING or self._awaits_greeting:
            return []
        return self._judge(CallEvent("call.machine.detection.ended", call="", result="not_sure"))

    def stream_over(self) -> list[Step]:
        """Our session has ended: Telnyx would keep the caller on a silent line."""
        return self._hang_up("the stream is over")

    def server_closes(self) -> list[Step]:
        """Whoever was answered, or is about to be, would hear nothing more; a phone that only rings rings on."""
        if self.stage is Stage.RINGING and not self._answering:
            return []
        return self._hang_up("the server is closing")

    def refused(self, step: Step, code: str) -> list[Step]:
        """Telnyx did not take this step. `code`: Telnyx's own, or whatever tells why."""
        if code == CALL_ENDED or isinstance(step, HangUp):  # nothing is left to try
            self._end()
        elif isinstance(step, Answer) and self.stage is Stage.RINGING:
            return self._hang_up(f"it could not be answered: {code}")
        elif isinstance(step, StartStreaming) and self.stage is Stage.STREAMING and code != STREAMING_IN_USE:
            if code != NOT_ANSWERED or self._tried_again:
                return self._hang_up(f"its stream could not be started: {code}")
            self._tried_again = True
            if self._answered:
                return [step]
            self._move(Stage.RINGING)
        return []

    def _recognise(self, event: CallEvent) -> list[Step]:
        ours = read_client_state(event.client_state)
        rings = event.type == "call.initiated" and event.direction == "incoming"
        if ours is None and not rings:
            return []
        if ours is not None:
            self.client_state, self._screens = ours, ours.wants_human
        self._move(Stage.RINGING)
        self._answering = rings
        return [Answer()] if rings else self._go_on(event)

    def _go_on(self, event: CallEvent) -> list[Step]:
        match event.type:
            case "call.answered":
                return self._was_answered()
            case kind if kind in DETECTION_ENDED or kind in GREETING_ENDED:
                return self._judge(event)
            case "streaming.failed":
                return self._hang_up(f"its stream failed: {event.failure_reason}")
            case "streaming.stopped":
                return self.stream_over()
        return []

    def _was_answered(self) -> list[Step]:
        self._answered = True
        if self.stage is not Stage.RINGING:
            return []
        if self._screens:
            self._move(Stage.SCREENING)
            return []
        return self._stream()

    def _judge(self, event: CallEvent) -> list[Step]:
        if not self._screens or self.stage not in (Stage.RINGING, Stage.SCREENING):
            return []
        verdicts = {event.result or "not_sure"}
        if event.type in GREETING_ENDED:
            verdicts = (verdicts & GREETING_ENDS) | {"machine"}
        elif verdicts & HUMANS:
            verdicts |= {"human"}
        if verdicts & self._talk_to:
            self._screens = False
            return self._stream()
        if verdicts == {"machine"} and event.type in DETECTION_ENDED and self._talk_to & GREETING_ENDS:
            self._awaits_greeting = True
            return []
        return self._hang_up(f"nobody to talk to: {event.result or 'not_sure'}")

    def _stream(self) -> list[Step]:
        self._move(Stage.STREAMING)
        return [StartStreaming()]

    def _hang_up(self, why: str) -> list[Step]:
        if self.stage in (Stage.UNKNOWN, Stage.LEAVING, Stage.ENDED):
            return []
        self._move(Stage.LEAVING)
        return [HangUp(why[:LONGEST_WHY])]

    def _end(self) -> None:
        if self.stage is not Stage.ENDED:
            self._move(Stage.ENDED)

    def _move(self, stage: Stage) -> None:
        assert stage in MOVES[self.stage], f"a phone call that is {self.stage} does not become {stage}"
        self.stage = stage


class PhoneCalls:
    """The calls by their `call_control_id`; of those that are not ours only that they have ended is kept."""

    def __init__(self, talk_to: Collection[str] = ("human",)) -> None:
        self._talk_to = frozenset(talk_to)
        self._under_way: OrderedDict[str, PhoneCall] = OrderedDict()
        self._ended: OrderedDict[str, tuple[PhoneCall, float]] = OrderedDict()
        self._verdict_due: dict[str, float] = {}  # the first to fall due comes first

    def handle(self, event: CallEvent, now: float) -> tuple[PhoneCall, list[Step]]:
        """The call that this webhook is about, and what to do."""
        self._forget(now)
        phone_call = self._find(event.call)
        steps = phone_call.handle(event)
        if phone_call.stage is Stage.ENDED:
            self._under_way.pop(event.call, None)
            self._ended.setdefault(event.call, (phone_call, now))
        elif phone_call.stage is not Stage.UNKNOWN:
            self._under_way[event.call] = phone_call
        if phone_call.stage is Stage.SCREENING:
            self._verdict_due.setdefault(event.call, now + VERDICT_S)
        else:
            self._verdict_due.pop(event.call, None)
        return phone_call, steps

    def deadline(self) -> float | None:
        """When `due` wants to be called."""
        return next(iter(self._verdict_due.values()), None)

    def due(self, now: float) -> list[tuple[str, PhoneCall, list[Step]]]:
        """Calls of which it should be known by `now` who answered, and is not; and what to do."""
        overdue = [call for call, due in self._verdict_due.items() if due <= now]
        for call in overdue:
            del self._verdict_due[call]
        found = [(call, self._under_way[call]) for call in overdue if call in self._under_way]
        return [(call, phone_call, phone_call.verdict_overdue()) for call, phone_call in found]

    def under_way(self) -> list[tuple[str, PhoneCall]]:
        """Those that are ours, and have not ended."""
        return list(self._under_way.items())

    def _find(self, call: str) -> PhoneCall:
        if call in self._ended:
            return self._ended[call][0]
        return self._under_way.get(call) or PhoneCall(self._talk_to)

    def _forget(self, now: float) -> None:
        while self._ended and (len(self._ended) >= MOST or self._oldest_end() + REMEMBERED_S <= now):
            self._ended.popitem(last=False)
        while len(self._under_way) >= MOST:
            self._under_way.popitem(last=False)

    def _oldest_end(self) -> float:
        return next(iter(self._ended.values()))[1]
