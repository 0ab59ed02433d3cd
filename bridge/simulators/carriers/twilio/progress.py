"""How the calls of the simulated Twilio go on: their documents are obeyed verb by verb, and calls belong together.

A call is on a stream, in a `<Dial>`, in a conference, in a queue, in a pause, or it waits for a document. `end`,
`document_came` and the methods named after what happens return the actions for whoever has the sockets, in order.
Times are Unix seconds, passed in.
"""

from collections.abc import Callable, Mapping
from math import ceil

from bridge.simulators.carriers.room import MUSIC, RINGBACK, Audible
from bridge.simulators.carriers.twilio.actions import Action, EndStream, FetchTwiml, OpenStream
from bridge.simulators.carriers.twilio.calls import CallStatus, Dialling, TwilioCall
from bridge.simulators.carriers.twilio.checks import NOT_VERIFIED, TwilioRefusal
from bridge.simulators.carriers.twilio.conferences import Conferences
from bridge.simulators.carriers.twilio.injected_faults import TwilioCallee, TwilioFaults
from bridge.simulators.carriers.twilio.queues import QUEUE, Queues
from bridge.simulators.carriers.voice_documents import (
    ConnectStream,
    Dial,
    Enqueue,
    Hangup,
    Pause,
    ReadStream,
    Redirect,
    Refer,
    Reject,
    StartStream,
    StopStream,
    Target,
    Verb,
    read_document,
)
from bridge.vocabulary.errors import CallRefused

REFERRED = {"in-progress": "200", "busy": "486", "failed": "404", "no-answer": "408"}
"""The code of SIP for each `ReferCallStatus`."""

REFER_S = 30.0
"""How long somebody rings who was referred to, and does not answer."""

REJECTED = {"busy": CallStatus.BUSY, "rejected": CallStatus.NO_ANSWER}


class CallProgress:
    """The calls of one account. `callee`: who answers a number. `make_call`: makes a call from its two numbers.

    `has_agent`: whether somebody serves the queue at this address, `queue:NAME`; `callee` says when.
    """

    def __init__(
        self,
        account_sid: str,
        callee: Callable[[str], TwilioCallee],
        faults: TwilioFaults,
        read_stream: ReadStream,
        make_call: Callable[[str, str, float], TwilioCall],
        has_agent: Callable[[str], bool] = lambda _address: False,
    ) -> None:
        self.calls: dict[str, TwilioCall] = {}
        self.conferences = Conferences(account_sid)
        self.callee = callee
        self._faults = faults
        self._read_stream = read_stream
        self._make_call = make_call
        self._queues = Queues(callee, has_agent)

    def new_call(self, caller: str, called: str, now: float) -> TwilioCall:
        """A call of this account, which is queued."""
        call = self._make_call(caller, called, now)
        self.calls[call.sid] = call
        return call

    def check_caller_id(self, fields: Mapping[str, str]) -> None:
        """A caller's number may be shown to others only with the token of that call. Raises `TwilioRefusal`."""
        caller, token = fields["From"], fields.get("CallToken", "")
        own = {call.called for call in self.calls.values() if call.token}
        tokens = [call.token for call in self.calls.values() if call.token and call.caller == caller]
        if tokens and caller not in own and token not in tokens:
            raise TwilioRefusal(400, NOT_VERIFIED, f"The source phone number {caller} is not verified.")

    def audible(self) -> Audible:
        """Who is on the line, and who hears whom."""
        legs = {
            sid: call.called if call.direction != "inbound" else call.caller
            for sid, call in self.calls.items()
            if call.status is CallStatus.IN_PROGRESS
        }
        heard = {sid: sources for sid, sources in self.conferences.hearing().items() if sid in legs}
        for sid, call in self.calls.items():
            if sid not in legs:
                continue
            if call.waits is not None and call.waits.wait_url != "":
                heard.setdefault(sid, frozenset({MUSIC}))
            if (dialling := call.dialling) is None:
                continue
            if dialling.with_sid:
                heard[sid], heard[dialling.with_sid] = frozenset({dialling.with_sid}), frozenset({sid})
            elif dialling.ringing:
                heard[sid] = frozenset({RINGBACK})
        return Audible(legs, heard)

    def document_came(self, call: TwilioCall, answer: bytes, url: str, now: float) -> list[Action]:
        """A webhook has answered. `url`: of the webhook. Nothing happens if the call is over."""
        if call.over:
            return []
        if call.stream is not None:
            call.pending = answer, url
            return [EndStream(call.sid)]
        try:
            document = read_document(answer, url, self._read_stream)
        except CallRefused as refused:
            return self.document_failed(call, str(refused), now)
        left = self._leave_all(call, now)
        call.verbs = [*document.verbs]
        return [*left, *self.run(call, now)]

    def document_failed(self, call: TwilioCall, why: str, now: float) -> list[Action]:
        """The webhook gave no document, or none that keeps the call: the call ends. `why`: the reason."""
        call.trouble = why
        if call.over:
            return []
        rejects = "rejected the call" in why and call.status is CallStatus.RINGING
        reason = "busy" if "(busy)" in why else "rejected"
        return self.end(call, REJECTED[reason] if rejects else CallStatus.COMPLETED, now)

    def run(self, call: TwilioCall, now: float) -> list[Action]:
        """Obey the next verbs of the call's document, up to one that takes time. Without any the call ends."""
        actions: list[Action] = []
        while call.verbs and not call.over:
            verb = call.verbs.pop(0)
            if not isinstance(verb, Reject | Redirect | Pause) and not _rings_on(verb):
                actions += self.answered(call, now)
            match verb:
                case ConnectStream(stream):
                    call.stream = stream
                    return [*actions, OpenStream(call.sid, stream)]
                case StartStream(stream) if (
                    not call.verbs
                ):  # a document of Twilio's own would end the call here
                    call.stream = stream
                    return [*actions, OpenStream(call.sid, stream)]
                case StartStream() | StopStream():
                    actions += self._listen(call, verb)
                case Dial():
                    return [*actions, *self._dial(call, verb, now)]
                case Enqueue() | Refer():
                    self._take_elsewhere(call, verb, now)
                    return actions
                case Redirect(url, method):
                    return [*actions, FetchTwiml(call.sid, url, method, call.form())]
                case Pause(seconds):
                    call.resumes_at = now + seconds
                    return actions
                case Reject(reason):
                    rings = call.status is CallStatus.RINGING
                    return [
                        *actions,
                        *self.end(call, REJECTED[reason] if rings else CallStatus.COMPLETED, now),
                    ]
                case Hangup():
                    return [*actions, *self.end(call, CallStatus.COMPLETED, now)]
        return actions if call.over else [*actions, *self.end(call, CallStatus.COMPLETED, now)]

    def answered(self, call: TwilioCall, now: float) -> list[Action]:
        """The call is answered, unless it was before."""
        if call.status is not CallStatus.RINGING:
            return []
        call.enter(CallStatus.IN_PROGRESS)
        call.answers_at = call.gives_up_at = None
        call.answered_at = now
        return [*call.callback("answered", now)]

    def picked_up(self, call: TwilioCall, now: float) -> list[Action]:
        """A callee has answered who belongs to a `<Dial>` or was added to a conference."""
        actions = self.answered(call, now)
        if call.detects:
            call.judged_at = now + self.callee(call.called).verdict_after_s
        if call.joins is not None:
            return [*actions, *self.conferences.join(call, call.joins, now)]
        parent = self.calls[call.parent_sid]
        dialling = parent.dialling
        assert dialling is not None, "a call that rings for a <Dial> ends with it"
        dialling.ringing.remove(call.sid)
        dialling.with_sid, dialling.since, dialling.last_sid = call.sid, now, call.sid
        dialling.left.clear()
        for sid in [*dialling.ringing]:
            actions += self.end(self.calls[sid], CallStatus.CANCELED, now)
        return [*actions, *self.answered(parent, now)]

    def end(self, call: TwilioCall, status: CallStatus, now: float) -> list[Action]:
        """End the call, and what belongs to it. The last callback is sent when its stream has ended."""
        call.enter(status)
        call.ended_at = now
        call.answers_at = call.gives_up_at = call.judged_at = call.pending = None
        asked = self._action_after_hang_up(call, now)
        actions = [*self._leave_all(call, now), *asked]
        call.verbs.clear()
        actions += self._listen(call, StopStream())
        told: list[Action] = (
            [*call.callback("completed", now)] if call.stream is None else [EndStream(call.sid)]
        )
        return [*told, *actions, *self._child_over(call, now)]

    def _listen(self, call: TwilioCall, verb: StartStream | StopStream) -> list[Action]:
        """A stream begins that goes on beside the document, or ends. A call has one of them at a time."""
        was, call.listens = call.listens, isinstance(verb, StartStream)
        if isinstance(verb, StartStream):
            return [OpenStream(call.sid, verb.stream, beside=True)]
        return [EndStream(call.sid, beside=True)] if was else []

    def leave_room(self, call: TwilioCall, now: float, why: str = "participant_hung_up") -> list[Action]:
        """The call leaves its conference; if that ends, all others leave too and go on with their documents."""
        told, others = self.conferences.leave(call, now, why)
        return [*told, *(act for other in others for act in self.room_over(other, now))]

    def room_over(self, call: TwilioCall, now: float) -> list[Action]:
        """The call is out of its conference and not over: its `<Dial>` is done. A participant by request hangs up."""
        if call.dialling is None:
            return [] if call.over else self.end(call, CallStatus.COMPLETED, now)
        call.dialling.status = "answered"
        return self._dialled(call, now)

    # <Dial>

    def _dial(self, call: TwilioCall, verb: Dial, now: float) -> list[Action]:
        dialling = call.dialling = Dialling(verb, [*verb.targets], since=now)
        if verb.conference is not None:
            return [*self.conferences.join(call, verb.conference, now)]
        if verb.queue:
            sid = self._queues.first(verb.queue)
            if not sid:
                return self._dialled(call, now)
            dialling.with_sid = sid
            self._queues.taken(self.calls[sid], now)
            return []
        return self._call_next(call, dialling, now)

    def _call_next(self, call: TwilioCall, dialling: Dialling, now: float) -> list[Action]:
        """Call the next target, or all of them at once."""
        number = 1 if dialling.verb.sequential else len(dialling.left)
        targets, dialling.left = dialling.left[:number], dialling.left[number:]
        return [act for target in targets for act in self._ring(call, dialling, target, now)]

    def _ring(self, call: TwilioCall, dialling: Dialling, target: Target, now: float) -> list[Action]:
        child = self.new_call(dialling.verb.caller_id or call.caller, target.address, now)
        child.direction, child.parent_sid, child.events = "outbound-dial", call.sid, target.events
        fields = {
            "StatusCallback": target.status_callback,
            "MachineDetection": target.machine_detection,
            "AsyncAmdStatusCallback": target.amd_status_callback,
            "SendDigits": target.send_digits,
            "AsyncAmd": "true",
        }
        child.fields = {name: value for name, value in fields.items() if value}
        child.gives_up_at = now + dialling.verb.timeout_s
        if (after_s := self.callee(target.address).answers_after_s) is not None:
            child.answers_at = now + after_s
        dialling.ringing.append(child.sid)
        dialling.last_sid = child.sid
        told = child.callback("initiated", now, "initiated")
        child.enter(CallStatus.RINGING)
        return [*told, *child.callback("ringing", now)]

    # Queues and referrals

    def agent_takes(self, call: TwilioCall, now: float) -> list[Action]:
        """Somebody who serves the queue takes the call out of it; or it is full, or fails."""
        assert call.waits is not None, "it is in a queue"
        queue = call.waits
        if result := self._queues.refuses(call):
            self._queues.leave(call)
            form = call.form() | {"QueueResult": result}
            return self._after(call, queue.action, queue.method, form, now)
        agent = self.new_call(call.called, f"{QUEUE}{queue.queue}", now)
        agent.direction = "outbound-dial"
        agent.enter(CallStatus.RINGING)
        agent.enter(CallStatus.IN_PROGRESS)
        return self._dial(agent, Dial(queue=queue.queue), now)

    def _served(self, call: TwilioCall, now: float) -> list[Action]:
        """Whoever took the call out of its queue has left."""
        assert call.taken is not None, "it was taken"
        (queue, waited_s), call.taken = call.taken, None
        form = call.form() | {"QueueResult": "bridged", "QueueTime": str(int(waited_s))}
        return self._after(call, queue.action, queue.method, form, now)

    def _take_elsewhere(self, call: TwilioCall, verb: Enqueue | Refer, now: float) -> None:
        if isinstance(verb, Enqueue):
            self._queues.enter(call, verb, now)
            return
        after_s = self.callee(verb.address).answers_after_s
        call.refers, call.referred_at = verb, now + (REFER_S if after_s is None else after_s)

    def referred(self, call: TwilioCall, now: float) -> list[Action]:
        """It is known what came of a referral. After a good one whoever was referred hangs up, when we were told."""
        verb, call.refers, call.referred_at = call.refers, None, None
        assert verb is not None, "it was referred"
        callee = self.callee(verb.address)
        outcome = "no-answer" if callee.answers_after_s is None else callee.refuses or "in-progress"
        code = REFERRED[outcome]
        form = call.form() | {
            "ReferCallStatus": outcome,
            "ReferSipResponseCode": "202",
            "NotifySipResponseCode": code,
        }
        return self._after(call, verb.action, verb.method, form, now)

    def _after(
        self, call: TwilioCall, action: str, method: str, form: dict[str, str], now: float
    ) -> list[Action]:
        """Ask this action how the call goes on; without one the next verb says it."""
        if not action:
            return self.run(call, now)
        call.verbs.clear()
        return [FetchTwiml(call.sid, action, method, form)]

    def _child_over(self, child: TwilioCall, now: float) -> list[Action]:
        parent = self.calls.get(child.parent_sid)
        if parent is None:
            parent = next((one for one in self.calls.values() if _talks_with(one, child)), None)
        dialling = None if parent is None else parent.dialling
        if parent is None or dialling is None:
            return []
        if dialling.with_sid == child.sid:
            dialling.status = "completed"
            return self._dialled(parent, now)
        if child.sid in dialling.ringing:
            dialling.ringing.remove(child.sid)
            dialling.status = child.status.value
            if not dialling.ringing and not dialling.with_sid:
                return self._call_next(parent, dialling, now) if dialling.left else self._dialled(parent, now)
        return []

    def _dialled(self, call: TwilioCall, now: float) -> list[Action]:
        """A `<Dial>` is done: ask its action, or obey the next verb."""
        dialling, call.dialling = call.dialling, None
        assert dialling is not None, "only a <Dial> under way is done"
        if dialling.verb.action:
            call.verbs.clear()
            return [
                FetchTwiml(
                    call.sid, dialling.verb.action, dialling.verb.method, _dial_form(call, dialling, now)
                )
            ]
        return self.run(call, now)

    def _action_after_hang_up(self, call: TwilioCall, now: float) -> list[Action]:
        dialling = call.dialling
        if dialling is None or not dialling.verb.action or not self._faults.action_after_hang_up:
            return []
        talked = bool(dialling.with_sid or dialling.verb.conference)
        dialling.status = "completed" if talked else "canceled"
        form = _dial_form(call, dialling, now)
        return [FetchTwiml(call.sid, dialling.verb.action, dialling.verb.method, form)]

    def _leave_all(self, call: TwilioCall, now: float) -> list[Action]:
        """The call leaves what it is in: a `<Dial>`, whose other calls end; a conference; a queue; a pause."""
        dialling, call.dialling, call.resumes_at = call.dialling, None, None
        actions: list[Action] = []
        self._queues.leave(call)
        call.taken = call.refers = call.referred_at = None
        if dialling is not None:
            for sid in [*dialling.ringing]:
                actions += self.end(self.calls[sid], CallStatus.CANCELED, now)
            if dialling.with_sid and not (other := self.calls[dialling.with_sid]).over:
                is_guest = other.taken is not None
                actions += (
                    self._served(other, now) if is_guest else self.end(other, CallStatus.COMPLETED, now)
                )
        if call.room:
            why = "participant_hung_up" if call.over else "participant_updated_via_api"
            actions += self.leave_room(call, now, why)
        return actions


def _rings_on(verb: Verb) -> bool:
    """Whether an inbound call is not answered by this verb yet."""
    return isinstance(verb, Dial) and verb.answer_on_bridge and verb.conference is None


def _talks_with(call: TwilioCall, other: TwilioCall) -> bool:
    return call.dialling is not None and call.dialling.with_sid == other.sid


def _dial_form(call: TwilioCall, dialling: Dialling, now: float) -> dict[str, str]:
    form = call.form() | {
        "DialCallStatus": dialling.status,
        "DialBridged": str(bool(dialling.with_sid)).lower(),
    }
    if dialling.last_sid:
        form["DialCallSid"] = dialling.last_sid
    if dialling.with_sid or dialling.verb.conference:
        form["DialCallDuration"] = str(ceil(now - dialling.since))
    return form
