"""The simulated Telnyx without sockets: what requests and time do to the calls of an account.

`ask` takes a request, `ring` an inbound call, `due` the time, and the `stream_...` methods what happens to the media
socket. Each returns the actions that whoever has the sockets is to perform, in order. Times are Unix seconds, passed in.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from bridge.simulators.carriers.room import Audible
from bridge.simulators.carriers.telnyx.actions import (
    Action,
    AnswerStream,
    DeliverWebhook,
    EndStream,
    OpenStream,
    ReceivedCommand,
    TelnyxRequest,
    TelnyxResponse,
)
from bridge.simulators.carriers.telnyx.bridges import NOT_ANSWERED_YET, Bridges
from bridge.simulators.carriers.telnyx.calls import CallState, TelnyxCall
from bridge.simulators.carriers.telnyx.checks import (
    CALL_ENDED,
    INVALID_CALL,
    INVALID_VALUE,
    MEDIA_STREAMING_IN_USE,
    NOT_ANSWERED,
    STREAMING_NOT_IN_USE,
    TITLES,
    TOO_MANY_REQUESTS,
    TelnyxRefusal,
    read_body,
)
from bridge.simulators.carriers.telnyx.commands import checked
from bridge.simulators.carriers.telnyx.conferences import PERFORMED, Conferences
from bridge.simulators.carriers.telnyx.injected_faults import TelnyxCallee, TelnyxFaults
from bridge.simulators.carriers.telnyx.stream_session import read_stream_request

REMEMBERED_S = 60.0
"""For how long a command with the same `command_id` is not performed again (Telnyx, "Call Control")."""

RING_S = 30.0
"""How long a dialled call rings without `timeout_secs`."""

RATE_LIMITS = {"x-ratelimit-limit": "10", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}
LOOKS = ("conference", "conference_list", "conference_participants")
REJECTIONS = {"CALL_REJECTED": "call_rejected", "USER_BUSY": "user_busy"}


class TelnyxAccount:
    """The calls of one account. `webhook_url`: of its connection. `codec`: of its calls.

    `callees`: who answers some numbers; `callee` answers all others.
    """

    def __init__(
        self,
        api_key: str,
        *,
        webhook_url: str = "",
        codec: str = "PCMU",
        callee: TelnyxCallee,
        faults: TelnyxFaults,
        callees: Mapping[str, TelnyxCallee] | None = None,
    ) -> None:
        self.calls: dict[str, TelnyxCall] = {}
        self.commands: list[ReceivedCommand] = []
        self.faults = faults
        self.callee = callee
        self._callees = callees or {}
        self.webhook_url = webhook_url
        self._api_key = api_key
        self._codec = codec
        self._tries: Counter[str] = Counter()
        self._remembered: dict[tuple[str, str], tuple[float, Mapping[str, Any]]] = {}
        self._bridges = Bridges(
            self.calls, self._end, self._callee_of, lambda address: address in self._callees
        )
        self._conferences = Conferences(self.calls, self._bridges, self._end)

    def ring(
        self, caller: str, called: str, now: float, *, webhook_url: str = ""
    ) -> tuple[TelnyxCall, list[Action]]:
        """Somebody calls. `webhook_url`: instead of the account's."""
        call = TelnyxCall(caller, called, "1494404757140276705", webhook_url or self.webhook_url, now)
        self.calls[call.call_control_id] = call
        return call, [self._webhook(call, call.initiated(now))]

    def audible(self) -> Audible:
        """Who is on the line, and who hears whom."""
        answered = [call for call in self.calls.values() if call.state is CallState.ANSWERED]
        legs = {call.call_control_id: call.caller if call.incoming else call.called for call in answered}
        return Audible(legs, self._bridges.hearing() | self._conferences.hearing())

    def pressed(self, call: TelnyxCall, digit: str, now: float) -> list[Action]:
        """The call's party pressed a key."""
        return [self._webhook(call, call.event("call.dtmf.received", now, digit=digit))]

    def hang_up(self, call: TelnyxCall, now: float) -> list[Action]:
        """The other party hangs up, or gives up before the call was answered."""
        if call.state is CallState.ENDED:
            return []
        if call.state is CallState.RINGING:
            return self._end(call, "originator_cancel" if call.incoming else "call_rejected", now)
        return self._end(call, "normal_clearing", now)

    def ask(self, request: TelnyxRequest, now: float) -> TelnyxResponse:
        """Answer a request: perform it, refuse it, or fail as the injected faults say."""
        body: dict[str, Any] = {}
        try:
            body = read_body(request, self._api_key)
            answer = self._faulty(request, body, now) or self._perform(request, body, now)
        except TelnyxRefusal as refusal:
            answer = TelnyxResponse(refusal.status, refusal.body(), [])
        self.commands.append(
            ReceivedCommand(request.command, request.call_control_id, body, now, answer.status)
        )
        return answer

    def deadline(self) -> float | None:
        """When `due` is to be called at the latest; None if nothing is awaited."""
        return min((at for call in self.calls.values() for at in call.deadlines()), default=None)

    def due(self, now: float) -> list[Action]:
        """The actions due by `now`: calls are answered, given up, or get the result of their machine detection."""
        return [act for call in [*self.calls.values()] for act in self._due(call, now)]

    def stream_opened(self, call: TelnyxCall, now: float) -> list[Action]:
        """The media socket of the call is open."""
        stream = call.stream
        return (
            [self._webhook(call, call.event("streaming.started", now, stream_url=stream.url))]
            if stream
            else []
        )

    def stream_failed(self, call: TelnyxCall, why: str, now: float) -> list[Action]:
        """The media socket of the call could not be opened. The call goes on without media."""
        stream, call.stream = call.stream, None
        if stream is None:
            return []
        failed = call.event(
            "streaming.failed",
            now,
            failure_reason=why,
            stream_id=stream.stream_id,
            stream_type="websocket",
            stream_params={"stream_url": stream.url, "track": stream.track},
        )
        return [self._webhook(call, failed), *self._parted(call, now)]

    def stream_over(self, call: TelnyxCall, now: float, *, hung_up: bool) -> list[Action]:
        """The media socket of the call is closed. `hung_up`: by the phone; if the server closed it, the call goes on."""
        stream, call.stream = call.stream, None
        if stream is None:
            return []
        stopped = self._webhook(call, call.event("streaming.stopped", now, stream_url=stream.url))
        if call.state is CallState.ENDED:
            return [stopped, *self._parted(call, now)]
        return [stopped, *(self.hang_up(call, now) if hung_up else [])]

    def _faulty(self, request: TelnyxRequest, body: dict[str, Any], now: float) -> TelnyxResponse | None:
        """The response of the injected fault that is due; None for no fault."""
        faults = self.faults
        if faults.commands and request.command not in faults.commands:
            return None
        nth = self._tries[request.command]
        self._tries[request.command] += 1
        if nth < faults.server_errors:
            return TelnyxResponse(HTTPStatus.INTERNAL_SERVER_ERROR, {"errors": []}, [])
        nth -= faults.server_errors
        if nth < faults.rate_limited:
            refusal = TelnyxRefusal(
                TOO_MANY_REQUESTS, "You have exceeded the maximum number of allowed requests."
            )
            return TelnyxResponse(HTTPStatus.TOO_MANY_REQUESTS, refusal.body(), [], RATE_LIMITS)
        nth -= faults.rate_limited
        if nth < faults.silent:
            return self._perform(request, body, now)._replace(silent=True)
        if nth - faults.silent < faults.refused:
            raise TelnyxRefusal(faults.refused_with, "The command was refused.")
        return None

    def _perform(self, request: TelnyxRequest, body: dict[str, Any], now: float) -> TelnyxResponse:
        """Perform a request; a repeated `command_id` gets the first answer again. Raises `TelnyxRefusal`."""
        if request.command == "status":
            return TelnyxResponse(HTTPStatus.OK, {"data": self._call(request.call_control_id).status()}, [])
        if request.command in LOOKS:
            return TelnyxResponse(HTTPStatus.OK, self._conferences.look(request), [])
        key = request.call_control_id or request.conference_id, str(body.get("command_id", ""))
        if key in self._remembered and now - self._remembered[key][0] < REMEMBERED_S:
            return TelnyxResponse(HTTPStatus.OK, self._remembered[key][1], [])
        if request.command == "dial":
            fields = checked("dial", body)
            answer, actions = self._dial(fields, now)
        elif request.command.startswith("conference_"):
            answer, actions = self._conferences.perform(request, checked(request.command, body), now)
        else:
            call = self._call(request.call_control_id)
            fields = checked(request.command, body)
            if call.state is CallState.ENDED:
                raise TelnyxRefusal(CALL_ENDED, "This call is no longer active and can't receive commands.")
            answer, actions = PERFORMED, self._command(request.command, call, fields, now)
        if key[1]:
            self._remembered[key] = now, answer
        return TelnyxResponse(HTTPStatus.OK, answer, actions)

    def _command(self, name: str, call: TelnyxCall, body: dict[str, Any], now: float) -> list[Action]:
        """Perform a command. The events that follow have its `client_state`, unless it is refused."""
        before = call.client_state
        call.client_state = body.get("client_state", before)
        try:
            return self._commands[name](self, call, body, now)
        except TelnyxRefusal:
            call.client_state = before
            raise

    def _call(self, call_control_id: str) -> TelnyxCall:
        try:
            return self.calls[call_control_id]
        except KeyError:
            raise TelnyxRefusal(
                INVALID_CALL, TITLES[INVALID_CALL], field="call_control_id", status=404
            ) from None

    def _dial(self, body: dict[str, Any], now: float) -> tuple[Mapping[str, Any], list[Action]]:
        self._bridges.check_dial(body)
        call, actions = self._call_out(body, now)
        linked = self.calls.get(body.get("link_to", ""))
        if linked is not None:
            call.call_session_id = linked.call_session_id
            call.bridges_on_answer = linked.call_control_id if body.get("bridge_on_answer") else ""
        call.parks = body.get("park_after_unbridge") == "self"
        call.supervises, call.role = (
            body.get("supervise_call_control_id", ""),
            body.get("supervisor_role", "barge"),
        )
        if body.get("stream_establish_before_call_originate") and "stream_url" in body:
            actions.append(self._open(call, body))
        return {"data": call.status()}, actions

    def _call_out(self, body: Mapping[str, Any], now: float) -> tuple[TelnyxCall, list[Action]]:
        """A new call to the party of `to`; of several the first one."""
        called = body["to"] if isinstance(body["to"], str) else body["to"][0]
        call = TelnyxCall(
            body["from"],
            called,
            body["connection_id"],
            body.get("webhook_url") or self.webhook_url,
            now,
            incoming=False,
            body=body,
            client_state=body.get("client_state"),
        )
        self.calls[call.call_control_id] = call
        call.gives_up_at = now + body.get("timeout_secs", RING_S)
        if (after_s := self._callee_of(called).answers_after_s) is not None:
            call.answers_at = now + after_s
        return call, [self._webhook(call, call.initiated(now))]

    def _callee_of(self, called: str) -> TelnyxCallee:
        return self._callees.get(called, self.callee)

    def _transfer(self, call: TelnyxCall, body: dict[str, Any], now: float) -> list[Action]:
        """Call somebody, and bridge the call with whoever answers; if nobody does, the call stays as it is."""
        if call.state is not CallState.ANSWERED:
            raise TelnyxRefusal(NOT_ANSWERED, NOT_ANSWERED_YET)
        asked = {
            "from": call.called if call.incoming else call.caller,
            "connection_id": call.connection_id,
            "webhook_url": call.webhook_url,
            **body,
            "client_state": body.get("target_leg_client_state"),
        }
        other, actions = self._call_out(asked, now)
        other.call_session_id = call.call_session_id
        other.bridges_on_answer = other.transferred_from = call.call_control_id
        call.parks = body.get("park_after_unbridge") == "self"
        return actions

    def _answer(self, call: TelnyxCall, body: dict[str, Any], now: float) -> list[Action]:
        if call.state is CallState.ANSWERED or not call.incoming:
            raise TelnyxRefusal(
                INVALID_VALUE, "Only an incoming call that is not answered yet can be answered."
            )
        call.body = body
        return self._pick_up(call, now)

    def _reject(self, call: TelnyxCall, body: dict[str, Any], now: float) -> list[Action]:
        if call.state is CallState.ANSWERED or not call.incoming:
            raise TelnyxRefusal(
                INVALID_VALUE, "Only an incoming call that is not answered yet can be rejected."
            )
        return self._end(call, REJECTIONS[body["cause"]], now, ours=True)

    def _hangup(self, call: TelnyxCall, _body: dict[str, Any], now: float) -> list[Action]:
        return self._end(call, "normal_clearing", now, ours=True)

    def _streaming_start(self, call: TelnyxCall, body: dict[str, Any], _now: float) -> list[Action]:
        if call.state is not CallState.ANSWERED:
            raise TelnyxRefusal(NOT_ANSWERED, NOT_ANSWERED_YET)
        if call.stream is not None:
            raise TelnyxRefusal(MEDIA_STREAMING_IN_USE, "Another media streaming is in use on this call.")
        opening = self._open(call, body)
        return [opening, AnswerStream(opening.wanted.stream_id)]

    def _streaming_stop(self, call: TelnyxCall, body: dict[str, Any], _now: float) -> list[Action]:
        if call.stream is None or body.get("stream_id", call.stream.stream_id) != call.stream.stream_id:
            raise TelnyxRefusal(STREAMING_NOT_IN_USE, "This call has no such media streaming.")
        return [EndStream(call.stream.stream_id)]

    def _send_dtmf(self, call: TelnyxCall, body: dict[str, Any], _now: float) -> list[Action]:
        if call.state is not CallState.ANSWERED:
            raise TelnyxRefusal(NOT_ANSWERED, NOT_ANSWERED_YET)
        call.pressed += body["digits"]
        return []

    _commands: Mapping[str, Callable[["TelnyxAccount", TelnyxCall, dict[str, Any], float], list[Action]]] = {
        "bridge": lambda self, call, body, now: [
            *self._conferences.over(call, now),
            *self._bridges.bridge(call, body, now),
        ],
        "transfer": _transfer,
        "refer": lambda self, call, body, now: self._bridges.refer(call, body, now),
        "enqueue": lambda self, call, body, now: self._bridges.enqueue(call, body, now),
        "leave_queue": lambda self, call, body, now: self._bridges.leave_queue(call, body, now),
        "switch_supervisor_role": lambda self, call, body, now: self._bridges.switch_role(call, body, now),
        "answer": _answer,
        "reject": _reject,
        "hangup": _hangup,
        "streaming_start": _streaming_start,
        "streaming_stop": _streaming_stop,
        "send_dtmf": _send_dtmf,
    }

    def _open(self, call: TelnyxCall, body: Mapping[str, Any]) -> OpenStream:
        call.stream = read_stream_request(
            body if self.faults.codec is None else {**body, "stream_codec": self.faults.codec},
            self._codec,
            stream_id=str(uuid.uuid4()),
            call_control_id=call.call_control_id,
            call_session_id=call.call_session_id,
            caller=call.caller,
            called=call.called,
            client_state=call.client_state,
        )
        return OpenStream(call.stream)

    def _pick_up(self, call: TelnyxCall, now: float) -> list[Action]:
        call.enter(CallState.ANSWERED)
        call.answers_at = call.gives_up_at = None
        actions: list[Action] = [self._webhook(call, call.answered(now))]
        if call.detects:
            call.judged_at = now + self._callee_of(call.called).verdict_after_s
        if call.stream is None and "stream_url" in call.body:
            actions.append(self._open(call, call.body))
        if call.stream is not None:
            actions.append(AnswerStream(call.stream.stream_id))
        return [*actions, *self._bridges.answered(call, now)]

    def _due(self, call: TelnyxCall, now: float) -> list[Action]:
        if call.answers_at is not None and call.answers_at <= now:
            refuses = self._callee_of(call.called).refuses
            return self._end(call, refuses, now) if refuses else self._pick_up(call, now)
        if call.gives_up_at is not None and call.gives_up_at <= now:
            return self._end(call, "timeout", now)
        if call.judged_at is not None and call.judged_at <= now:
            call.judged_at = None
            callee = self._callee_of(call.called)
            return [self._webhook(call, event) for event in call.verdicts(callee, now)]
        if call.dequeued_at is not None and call.dequeued_at <= now:
            return self._bridges.dequeue(call, "timeout", now)
        if call.agent_at is not None and call.agent_at <= now:
            return self._bridges.agent_takes(call, now)
        if call.referred_at is not None and call.referred_at <= now:
            return self._bridges.referred(call, now)
        return []

    def _end(self, call: TelnyxCall, cause: str, now: float, *, ours: bool = False) -> list[Action]:
        """End the call. `ours`: by a command of the server, not by the other party."""
        call.enter(CallState.ENDED)
        call.cause, call.ended_at = cause, now
        call.source = "caller" if call.incoming != ours else "callee"
        call.answers_at = call.gives_up_at = call.judged_at = None
        own = [EndStream(call.stream.stream_id)] if call.stream else self._parted(call, now)
        return [*own, *self._conferences.over(call, now), *self._bridges.over(call, now)]

    def _parted(self, call: TelnyxCall, now: float) -> list[Action]:
        """The event `call.hangup`, once the call and its stream have ended."""
        return [self._webhook(call, call.hangup(now))] if call.state is CallState.ENDED else []

    def _webhook(self, call: TelnyxCall, event: Mapping[str, Any]) -> DeliverWebhook:
        return DeliverWebhook(call.webhook_url, event)
