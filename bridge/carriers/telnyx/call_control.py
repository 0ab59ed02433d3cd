"""A phone call under Telnyx's Call Control: webhooks in, the next steps out. All of them are in `phone_calls`.

Wire: Telnyx, "Voice API webhooks". They come in any order, repeated, and several at a time. So each is taken as proof
of all that must have been before it, and after a hang-up nothing that comes makes a difference.
Does not talk to Telnyx: whoever takes a step tells if it was `taken` or `refused`. No clock.

unknown ──ours──▶ ringing ──answered──▶ screening ──human──▶ streaming ──▶ hanging_up ──▶ ended
                     └───────answered, nobody to screen──────────▲
"""

from base64 import b64encode
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

from msgspec import DecodeError, Struct, json

from bridge.carriers.telnyx.webhook import DETECTION_ENDED, GREETING_ENDED, CallEvent

NOT_ANSWERED = "90034"
CALL_ENDED = "90018"
STREAMING_IN_USE = "90045"

LONGEST_WHY = 200

MOST_KEYS_WAITING = 128
"""Behind those that Telnyx was told of last. It is the better part of a minute; nobody would hear what is beyond."""

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


@dataclass(frozen=True, slots=True)
class SendDtmf:
    """Press these keys, for who is at the far end; nobody else's business."""

    keys: str = field(repr=False)


Step = Answer | StartStreaming | HangUp | SendDtmf


class Stage(StrEnum):
    """How far a phone call is."""

    UNKNOWN = "unknown"
    """Nothing says as yet that it is ours."""
    RINGING = "ringing"
    SCREENING = "screening"
    """Answered; who answered is not known yet."""
    STREAMING = "streaming"
    LEAVING = "hanging_up"
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
        self._pressing = False  # Telnyx is being told of keys
        self._keys_waiting = ""
        self._last: HangUp | None = None  # waits for the keys

    def handle(self, event: CallEvent, assistant: str = "") -> list[Step]:
        """What to do now that this webhook came. `assistant`: who answers, if that is a call that comes in."""
        if event.type == "call.hangup":
            self._end()
            return []
        if self.stage is Stage.UNKNOWN:
            return self._recognise(event, assistant)
        return self._go_on(event)

    def verdict_overdue(self) -> list[Step]:
        """Nothing says who answered: that is `not_sure`, too."""
        if self.stage is not Stage.SCREENING or self._awaits_greeting:
            return []
        return self._judge(CallEvent("call.machine.detection.ended", call_id="", result="not_sure"))

    def stream_over(self) -> list[Step]:
        """Our session has ended: Telnyx would keep the caller on a silent line."""
        return self._hang_up("the stream is over")

    def server_closes(self) -> list[Step]:
        """Whoever was answered, or is about to be, would hear nothing more; a phone that only rings rings on."""
        if self.stage is Stage.RINGING and not self._answering:
            return []
        self._pressing, self._keys_waiting = False, ""
        return self._hang_up("the server is closing") or self._press_next()

    def press(self, keys: str) -> list[Step]:
        """The assistant wants keys pressed. Those of one wish wait for those before: two commands may overtake."""
        if self.stage is not Stage.STREAMING:
            return []
        self._keys_waiting = (self._keys_waiting + keys)[:MOST_KEYS_WAITING]
        return [] if self._pressing else self._press_next()

    def taken(self, step: Step) -> list[Step]:
        """Telnyx took this step; keys have sounded by now."""
        return self._press_next() if isinstance(step, SendDtmf) else []

    def _press_next(self) -> list[Step]:
        """What was wanted before the end comes before it."""
        if self.stage is Stage.ENDED:
            return []
        keys, self._keys_waiting = self._keys_waiting, ""
        self._pressing = bool(keys)
        if keys:
            return [SendDtmf(keys)]
        last, self._last = self._last, None
        return [last] if last else []

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
        elif isinstance(step, SendDtmf):  # each wish is one of its own
            return self._press_next()
        return []

    def _recognise(self, event: CallEvent, assistant: str) -> list[Step]:
        ours = read_client_state(event.client_state)
        rings = event.type == "call.initiated" and event.direction == "incoming"
        if ours is None and not rings:
            return []
        self.client_state = ours or ClientState(assistant)
        self._screens = self.client_state.wants_human
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
        last = HangUp(why[:LONGEST_WHY])
        if not self._pressing:
            return [last]
        self._last = last
        return []

    def _end(self) -> None:
        if self.stage is not Stage.ENDED:
            self._move(Stage.ENDED)

    def _move(self, stage: Stage) -> None:
        assert stage in MOVES[self.stage], f"a phone call that is {self.stage} does not become {stage}"
        self.stage = stage
