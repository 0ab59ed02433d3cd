"""The state machine of one phone call under Telnyx's Call Control: webhooks in, the next steps out.

Source: Telnyx, "Receiving webhooks": they come in any order, repeated, and several at a time. So each one proves all
that must have been before it, and after a hang-up no other changes anything.
`steps` sends the steps and calls `taken` or `refused` with the outcome; `phone_calls` holds all calls. No clock.

unknown ──ours──▶ ringing ──answered──▶ screening ──human──▶ streaming ──▶ hanging_up ──▶ ended
                     └───────answered, nobody to screen──────────▲ ▼         from anywhere
                                                              holding ──▶ bridged
In `holding` a person is called, in `bridged` they talk with the caller; what a stream does there ends nothing.
"""

from base64 import b64encode
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

from msgspec import DecodeError, Struct, json

from bridge.carriers.shared.webhooks import Direction
from bridge.carriers.telnyx.events import DETECTION_ENDED, DIRECTIONS, GREETING_ENDED, CallEvent
from bridge.carriers.telnyx.listening import ListeningStream, StartListening, StopListening
from bridge.carriers.telnyx.rest import CALL_IS_OVER
from bridge.vocabulary.call_facts import CallContext
from bridge.vocabulary.events import SERVER_CLOSES

NOT_ANSWERED = "90034"
"""Code: the call has not been answered yet (Telnyx, "API errors", also for the next one)."""

STREAMING_IN_USE = "90045"
"""Code: the call is being streamed already."""

LONGEST_WHY = 200
"""Characters of the reason of a hang-up that are logged."""

MOST_KEYS_WAITING = 128
"""Keys that wait for those that sound. They take most of a minute; what is beyond would come too late and is dropped."""

HUMANS = frozenset({"human_residence", "human_business"})
GREETING_ENDS = frozenset({"ended", "beep_detected", "no_beep_detected", "prompt_ended"})


class ClientState(Struct, frozen=True):
    """What our commands give a call along. Each of its webhooks has it, which proves that the call is ours."""

    assistant: str = ""
    """Who answers, by name; the default if empty."""
    wants_human: bool = False
    """Telnyx was asked who answered, and the assistant waits for the verdict."""

    def encode(self) -> str:
        """As a command carries it, in base64."""
        return b64encode(json.encode(_Marked(self))).decode()


class _Marked(Struct):
    voicebridge: ClientState


def read_client_state(text: str) -> ClientState | None:
    """The state in `text`, which is decoded as in `CallEvent`; None if it is not ours."""
    try:
        return json.decode(text, type=_Marked).voicebridge
    except (DecodeError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the call."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Give whoever calls the busy tone, or another one. The call is not answered. `cause`: in Telnyx's words."""

    cause: str = "USER_BUSY"


@dataclass(frozen=True, slots=True)
class StartStreaming:
    """Have Telnyx open the call's media stream. `continues`: the call had one before, and its session goes on."""

    continues: bool = False


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call. `why` is for the log."""

    why: str


@dataclass(frozen=True, slots=True)
class SendDtmf:
    """Press these keys for whoever is at the far end. They may be a secret: no `repr` shows them."""

    keys: str = field(repr=False)


Step = Answer | Reject | StartStreaming | StartListening | StopListening | HangUp | SendDtmf


class Stage(StrEnum):
    """How far a phone call has come."""

    UNKNOWN = "unknown"
    """Nothing says yet that the call is ours."""
    RINGING = "ringing"
    SCREENING = "screening"
    """Answered; who answered is not known yet."""
    STREAMING = "streaming"
    HOLDING = "holding"
    """A person is called or briefed; the caller has a stream, or is about to be joined or streamed again."""
    BRIDGED = "bridged"
    """Telnyx has joined the caller with a person."""
    HANGING_UP = "hanging_up"
    ENDED = "ended"


MOVES: dict[Stage, frozenset[Stage]] = {
    Stage.UNKNOWN: frozenset({Stage.RINGING, Stage.ENDED}),
    Stage.RINGING: frozenset({Stage.SCREENING, Stage.STREAMING, Stage.HANGING_UP, Stage.ENDED}),
    Stage.SCREENING: frozenset({Stage.STREAMING, Stage.HANGING_UP, Stage.ENDED}),
    Stage.STREAMING: frozenset(
        {Stage.RINGING, Stage.HOLDING, Stage.HANGING_UP, Stage.ENDED}
    ),  # back to RINGING: Telnyx says that it is not answered
    Stage.HOLDING: frozenset({Stage.STREAMING, Stage.BRIDGED, Stage.HANGING_UP, Stage.ENDED}),
    Stage.BRIDGED: frozenset({Stage.STREAMING, Stage.HOLDING, Stage.HANGING_UP, Stage.ENDED}),
    Stage.HANGING_UP: frozenset({Stage.ENDED}),
    Stage.ENDED: frozenset(),
}


def begins_a_call(event: CallEvent) -> bool:
    """Whether a call rings, at our number or at the one that we phone."""
    return event.type == "call.initiated" and (
        event.direction == "incoming" or read_client_state(event.client_state) is not None
    )


class PhoneCall:
    """One phone call. `talk_to`: the verdicts, in Telnyx's words, with which the call gets the assistant.

    `human` stands for both humans of the premium detection. Where `talk_to` has a result of a machine's greeting, such
    as `beep_detected`, the end of the greeting is waited for.
    """

    def __init__(self, talk_to: Collection[str] = ("human",)) -> None:
        self.stage = Stage.UNKNOWN
        self.client_state = ClientState()
        self.context: CallContext | None = None
        """Who calls, and what is different in this call; None as long as the call is not ours."""
        self.answered_by = ""
        """The verdict who answered, once it came."""
        self._talk_to = frozenset(talk_to)
        self._awaits_verdict = False
        self._awaits_greeting = False  # a machine answered, and its greeting has to end
        self.direction: Direction = ""
        """Who placed the call, once that is known."""
        self.to = ""
        self.from_ = ""
        self._has_stream = False  # it was asked for, and we know of no end
        self._stops_coming = 0  # webhooks that tell of the end of a stream that we have ended
        self._listening = ListeningStream()
        self._answering = False  # we answer it
        self._answered = False
        self._streaming_retried = False  # after Telnyx said that the call was not answered
        self._pressing = False  # keys are commanded, or sound
        self._keys_waiting = ""
        self._hang_up_waiting: HangUp | None = None  # for the keys

    def handle(self, event: CallEvent, assistant: str = "", *, is_refused: bool = False) -> list[Step]:
        """What to do after this webhook.

        `assistant`: who answers, if a call comes in with it. `is_refused`: a call that begins with it is not taken.
        """
        if event.type == "call.hangup":
            self._end()
            return []
        if self.stage is Stage.UNKNOWN:
            return self._recognise(event, assistant, is_refused)
        return self._go_on(event)

    def reject(self, cause: str) -> list[Step]:
        """The call is not to be taken. One that was answered, or that we placed, can only be hung up."""
        if self.stage is Stage.RINGING and self._answering and not self._answered:
            self._move(Stage.HANGING_UP)
            return [Reject(cause)]
        return self._hang_up("it was rejected before it began")

    def verdict_overdue(self) -> list[Step]:
        """No verdict came in time: that counts as `not_sure`."""
        if self.stage is not Stage.SCREENING or self._awaits_greeting:
            return []
        return self._judge(CallEvent("call.machine.detection.ended", call_id="", result="not_sure"))

    def stream_over(self) -> list[Step]:
        """The session has ended. Telnyx would keep the caller on a silent line, so the call is ended.

        A caller who talks with a person goes on talking.
        """
        return [] if self.stage is Stage.BRIDGED else self._hang_up("the stream is over")

    # A handover

    def hold(self) -> None:
        """A person is called: the stream is no longer all that the call is about."""
        if self.stage is Stage.STREAMING:
            self._move(Stage.HOLDING)

    def stops_stream(self) -> None:
        """We end the stream, because the caller is about to be joined with a person."""
        if self._has_stream:
            self._has_stream = False
            self._stops_coming += 1

    def bridged(self) -> None:
        """Telnyx has joined the caller with a person."""
        if self.stage is Stage.HOLDING:
            self._move(Stage.BRIDGED)

    def listen(self) -> list[Step]:
        """What the two say is to be streamed."""
        if self.stage is not Stage.BRIDGED:
            return []
        return [*self._listening.begin(waits=bool(self._stops_coming))]

    def _listening_over(self) -> list[Step]:
        return self.take_back() if self._listening.over() else []

    def parked(self) -> None:
        """The person has left, and the caller is still there."""
        if self.stage is Stage.BRIDGED:
            self._move(Stage.HOLDING)

    def take_back(self) -> list[Step]:
        """The caller's stream is to be open again."""
        if self.stage not in (Stage.HOLDING, Stage.BRIDGED):
            return []
        if (stop := self._listening.end()) or self._listening.is_ending:
            return [*stop]
        self._move(Stage.STREAMING)
        if self._has_stream:
            return []
        self._has_stream = True
        return [StartStreaming(continues=True)]

    def take_up(self) -> list[Step]:
        """The call was another process's, and answered; nothing more is known of it."""
        self._move(Stage.RINGING)
        self._answered = True
        return self._stream()

    def _stream_ended(self, event: CallEvent) -> list[Step]:
        if self._stops_coming:
            self._stops_coming -= 1
            return [] if self._stops_coming else [*self._listening.free()]
        if self._listening.is_open:
            return self._listening_over()
        self._has_stream = False
        if self.stage in (Stage.HOLDING, Stage.BRIDGED):
            return []
        if event.type == "streaming.failed":
            return self._hang_up(f"its stream failed: {event.failure_reason}")
        return self.stream_over()

    def server_closes(self) -> list[Step]:
        """Hang up on whoever was answered, or is about to be; a call that only rings goes on ringing.

        Two people who talk go on talking.
        """
        if self.stage is Stage.BRIDGED or (self.stage is Stage.RINGING and not self._answering):
            return []
        self._pressing, self._keys_waiting = False, ""
        return self._hang_up(SERVER_CLOSES) or self._press_next()

    def press(self, keys: str) -> list[Step]:
        """Press keys. They wait for those that sound: of two commands the second may overtake the first."""
        if self.stage is not Stage.STREAMING:
            return []
        self._keys_waiting = (self._keys_waiting + keys)[:MOST_KEYS_WAITING]
        return [] if self._pressing else self._press_next()

    def taken(self, step: Step) -> list[Step]:
        """Telnyx did this step; keys have ended by now, and of a stream that was stopped we should have heard."""
        if isinstance(step, StopListening) and self._listening.is_ending:
            self._stops_coming += 1
            return self._listening_over()
        return self._press_next() if isinstance(step, SendDtmf) else []

    def _press_next(self) -> list[Step]:
        """The keys that wait, else the hang-up that waits for them."""
        if self.stage is Stage.ENDED:
            return []
        keys, self._keys_waiting = self._keys_waiting, ""
        self._pressing = bool(keys)
        if keys:
            return [SendDtmf(keys)]
        hang_up, self._hang_up_waiting = self._hang_up_waiting, None
        return [hang_up] if hang_up else []

    def refused(self, step: Step, code: str) -> list[Step]:
        """Telnyx refused this step. `code`: Telnyx's own, or another text that says why."""
        if code == CALL_IS_OVER or isinstance(step, HangUp | Reject):  # nothing is left to try
            self._end()
        elif isinstance(step, Answer) and self.stage is Stage.RINGING:
            return self._hang_up(f"it could not be answered: {code}")
        elif isinstance(step, StartStreaming) and self.stage is Stage.STREAMING and code != STREAMING_IN_USE:
            if code != NOT_ANSWERED or self._streaming_retried:
                return self._hang_up(f"its stream could not be started: {code}")
            self._streaming_retried = True
            if self._answered:
                return [step]
            self._move(Stage.RINGING)
        elif isinstance(step, StartListening | StopListening):
            return self._listening_over()
        elif isinstance(step, SendDtmf):  # the next keys do not depend on these
            return self._press_next()
        return []

    def _recognise(self, event: CallEvent, assistant: str, is_refused: bool) -> list[Step]:
        ours = read_client_state(event.client_state)
        rings = event.type == "call.initiated" and event.direction == "incoming"
        if ours is None and not rings:
            return []
        self.client_state = ours or ClientState(assistant)
        self._awaits_verdict = self.client_state.wants_human
        self._move(Stage.RINGING)
        if is_refused:
            self._move(Stage.HANGING_UP)
            return [Reject() if rings else HangUp("no new calls are taken")]
        self._answering = rings
        self.to, self.from_ = event.to, event.from_
        self.direction = DIRECTIONS.get(event.direction, "")
        return [Answer()] if rings else self._go_on(event)

    def _go_on(self, event: CallEvent) -> list[Step]:
        match event.type:
            case "call.answered":
                return self._was_answered()
            case kind if kind in DETECTION_ENDED or kind in GREETING_ENDED:
                return self._judge(event)
            case "streaming.failed" | "streaming.stopped":
                return self._stream_ended(event)
        return []

    def _was_answered(self) -> list[Step]:
        self._answered = True
        if self.stage is not Stage.RINGING:
            return []
        if self._awaits_verdict:
            self._move(Stage.SCREENING)
            return []
        return self._stream()

    def _judge(self, event: CallEvent) -> list[Step]:
        if not self._awaits_verdict or self.stage not in (Stage.RINGING, Stage.SCREENING):
            return []
        self.answered_by = event.result or "not_sure"
        verdicts = {self.answered_by}
        if event.type in GREETING_ENDED:
            verdicts = (verdicts & GREETING_ENDS) | {"machine"}
        elif verdicts & HUMANS:
            verdicts |= {"human"}
        if verdicts & self._talk_to:
            self._awaits_verdict = False
            return self._stream()
        if verdicts == {"machine"} and event.type in DETECTION_ENDED and self._talk_to & GREETING_ENDS:
            self._awaits_greeting = True
            return []
        return self._hang_up(f"nobody to talk to: {event.result or 'not_sure'}")

    def _stream(self) -> list[Step]:
        self._move(Stage.STREAMING)
        self._has_stream = True
        return [StartStreaming()]

    def _hang_up(self, why: str) -> list[Step]:
        if self.stage in (Stage.UNKNOWN, Stage.HANGING_UP, Stage.ENDED):
            return []
        self._move(Stage.HANGING_UP)
        hang_up = HangUp(why[:LONGEST_WHY])
        if not self._pressing:
            return [hang_up]
        self._hang_up_waiting = hang_up
        return []

    def _end(self) -> None:
        if self.stage is not Stage.ENDED:
            self._move(Stage.ENDED)

    def _move(self, stage: Stage) -> None:
        assert stage in MOVES[self.stage], f"a phone call that is {self.stage} does not become {stage}"
        self.stage = stage
