"""Requests to Telnyx's REST API: the commands of Call Control; and what the answers say.

Source: Telnyx, "Call Commands", "Error handling". JSON both ways. An answer says that a command was accepted; a webhook
says later that it was done. A command that is sent again has the same `command_id`, and is done once.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote

from msgspec import json

from bridge.carriers.shared.rest import ApiAnswer, ApiRequest, RetryRule, json_object, refusal
from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.vocabulary.errors import ConfigurationError

RULE = RetryRule(answer_s=0.5, at_once=2, backoff_s=1.0, last_try_s=55.0, give_up_s=60.0)
"""Telnyx recognises a `command_id` for 60 s; the last try is sent early enough to arrive by then."""

KEYS_RULE = RetryRule(
    answer_s=5.0, at_once=1, backoff_s=0.5, last_try_s=3.0, give_up_s=10.0, may_repeat=False
)
"""A key that is pressed twice, or late, answers another question. So it is repeated only if nothing was done."""

PERSON_RULE = replace(RULE, last_try_s=8.0, give_up_s=10.0)
"""For what a caller on hold waits for: to call a person, and to join the two."""

KEY_MS = 250
"""How long each key sounds: Telnyx's default for `duration_millis`."""

BETWEEN_KEYS_MS = 100
"""Telnyx does not document it; a receiver needs 40 (ITU-T Q.24)."""

PAUSES_MS = {"w": 500, "W": 1000}
"""Characters among the keys that are pauses (Telnyx, "Send DTMF")."""

CALL_IS_OVER = "90018"
"""Code: the call has already ended (Telnyx, "API errors", also for the next one)."""

NOT_STREAMING = "90048"
"""Code: there is no stream to stop."""


def sounding_s(keys: str) -> float:
    """How long these keys sound, in seconds from the answer on. A command in this time may cut them off."""
    return sum(PAUSES_MS.get(key, KEY_MS + BETWEEN_KEYS_MS) for key in keys) / 1000


NOTHING: Mapping[str, object] = {}


class TelnyxApi:
    """Words the requests. Raises `ConfigurationError` where the key is missing or of a wrong shape.

    `call_id`: Telnyx's call_control_id. `client_state`: base64, comes back with every webhook of the call.
    """

    def __init__(self, settings: TelnyxSettings) -> None:
        if settings.api_key is None:
            raise ConfigurationError("telnyx.api_key is missing; calls are answered and placed with it")
        key = settings.api_key.get_secret_value()
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ConfigurationError("telnyx.api_key: should be one word of ASCII, as the portal shows it")
        self._settings = settings
        self.headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    @property
    def detects_machines_of_people(self) -> bool:
        """Whether Telnyx finds out if a machine answered a person's number."""
        return self._settings.detect_machines_of_people

    def answer(self, call_id: str, command_id: str, *, client_state: str | None = None) -> ApiRequest:
        """Answer a call that rings."""
        return self._action(call_id, "answer", command_id, {"client_state": client_state})

    def reject(self, call_id: str, command_id: str, cause: str = "USER_BUSY") -> ApiRequest:
        """Refuse a call that rings: whoever calls hears the busy tone. That it has ended already is no error."""
        return self._action(call_id, "reject", command_id, {"cause": cause}, done=(CALL_IS_OVER,))

    def hang_up(self, call_id: str, command_id: str) -> ApiRequest:
        """End the call. That it has ended already is no error."""
        return self._action(call_id, "hangup", command_id, {}, done=(CALL_IS_OVER,))

    def start_streaming(self, call_id: str, command_id: str, stream_url: str) -> ApiRequest:
        """Have Telnyx open a media socket for an answered call, both ways, at `stream_url`."""
        settings = self._settings
        custom = [{"name": name, "value": value} for name, value in settings.parameters.items()]
        body = {
            "stream_url": stream_url,
            "stream_track": "inbound_track",
            "stream_codec": settings.stream_codec,
            **self._voice(),
            "custom_parameters": custom or None,
        }
        return self._action(call_id, "streaming_start", command_id, body)

    def start_listening(self, call_id: str, command_id: str, stream_url: str) -> ApiRequest:
        """Have Telnyx open a media socket for a bridged call, one way, with what both parties say."""
        settings = self._settings
        custom = [{"name": name, "value": value} for name, value in settings.parameters.items()]
        body = {
            "stream_url": stream_url,
            "stream_track": "both_tracks",
            "stream_codec": settings.stream_codec,
            "custom_parameters": custom or None,
        }
        return replace(self._action(call_id, "streaming_start", command_id, body), rule=PERSON_RULE)

    def stop_streaming(self, call_id: str, command_id: str) -> ApiRequest:
        """End the call's streams; the call goes on. That there is none is no error."""
        done = (CALL_IS_OVER, NOT_STREAMING)
        stop = self._action(call_id, "streaming_stop", command_id, {}, done=done)
        return replace(stop, rule=PERSON_RULE)

    def bridge(self, call_id: str, command_id: str, person_leg: str) -> ApiRequest:
        """Join this call with that leg. When the leg ends the call is parked: it is not hung up."""
        body = {"call_control_id": person_leg, "park_after_unbridge": "self", "mute_dtmf": "none"}
        return replace(self._action(call_id, "bridge", command_id, body), rule=PERSON_RULE)

    def enqueue(self, call_id: str, command_id: str, queue: str) -> ApiRequest:
        """Put the call into this queue."""
        return replace(self._action(call_id, "enqueue", command_id, {"queue_name": queue}), rule=PERSON_RULE)

    def leave_queue(self, call_id: str, command_id: str) -> ApiRequest:
        """Take the call out of its queue; it is parked."""
        leave = self._action(call_id, "leave_queue", command_id, {}, done=(CALL_IS_OVER,))
        return replace(leave, rule=PERSON_RULE)

    def refer(self, call_id: str, command_id: str, to: str) -> ApiRequest:
        """Have the caller's telephone call this SIP address in place of us."""
        return replace(self._action(call_id, "refer", command_id, {"sip_address": to}), rule=PERSON_RULE)

    def call_person(
        self,
        to: str,
        from_: str,
        command_id: str,
        *,
        call_id: str,
        ring_s: float,
        webhook_url: str,
        client_state: str,
        shows_caller: bool = False,
    ) -> ApiRequest:
        """Call a person for a handover of this call. `shows_caller`: they see its caller's number in place of `from_`."""
        more = {
            "link_to": call_id,
            "bridge_intent": True if shows_caller else None,
            "timeout_secs": min(max(round(ring_s), 5), 600),
        }
        settings = self._settings
        request = self.dial(
            to,
            from_,
            command_id,
            webhook_url=webhook_url,
            client_state=client_state,
            answering_machine_detection=settings.machine_detection
            if settings.detect_machines_of_people
            else None,
            more=more,
        )
        return replace(request, command="call person", rule=PERSON_RULE)

    def call_supervisor(
        self,
        to: str,
        from_: str,
        command_id: str,
        *,
        person_leg: str,
        role: str,
        ring_s: float,
        webhook_url: str,
        client_state: str,
    ) -> ApiRequest:
        """Call somebody who supervises this leg of a bridged pair. `role`: `monitor`, `whisper` or `barge`."""
        more = {
            "supervise_call_control_id": person_leg,
            "supervisor_role": role,
            "timeout_secs": min(max(round(ring_s), 5), 600),
        }
        request = self.dial(
            to, from_, command_id, webhook_url=webhook_url, client_state=client_state, more=more
        )
        return replace(request, command="call supervisor", rule=PERSON_RULE)

    def switch_supervisor_role(self, leg: str, role: str) -> ApiRequest:
        """Give a supervisor another role. It has no `command_id`, and may be done twice."""
        path = f"/calls/{quote(leg, safe='')}/actions/switch_supervisor_role"
        request = self._request("switch_supervisor_role", leg, path, {"role": role}, done=(CALL_IS_OVER,))
        return replace(request, rule=PERSON_RULE)

    def send_dtmf(self, call_id: str, command_id: str, keys: str) -> ApiRequest:
        """Press keys in an answered call: 0-9 * # A-D; w pauses for half a second, W for a second."""
        return replace(
            self._action(call_id, "send_dtmf", command_id, {"digits": keys, "duration_millis": KEY_MS}),
            rule=KEYS_RULE,
            read=partial(read_answer, quotes=False),
        )

    def dial(
        self,
        to: str,
        from_: str,
        command_id: str,
        *,
        webhook_url: str | None = None,
        client_state: str | None = None,
        answering_machine_detection: str | None = None,
        more: Mapping[str, object] = NOTHING,
    ) -> ApiRequest:
        """Place a call. The answer's data has its id, `call_control_id`; the answer to a repeat may lack it."""
        if self._settings.connection_id is None:
            raise ConfigurationError(
                "telnyx.connection_id is missing; it names the Call Control application that places calls"
            )
        body = {
            "connection_id": self._settings.connection_id,
            "to": to,
            "from": from_,
            "webhook_url": webhook_url,
            "answering_machine_detection": answering_machine_detection,
            "client_state": client_state,
            "command_id": command_id,
            **more,
        }
        return self._request("dial", "", "/calls", body)

    def _voice(self) -> dict[str, object]:
        """The format in which the assistant's voice is sent, and that the leg hears it that is streamed: `self`."""
        settings = self._settings
        voice: dict[str, object] = {"stream_bidirectional_mode": settings.mode}
        if settings.mode == "rtp":
            voice["stream_bidirectional_codec"] = settings.codec
            voice["stream_bidirectional_sampling_rate"] = settings.rate_hz
        return voice | {"stream_bidirectional_target_legs": "self"}

    def _action(
        self,
        call_id: str,
        action: str,
        command_id: str,
        body: Mapping[str, object],
        *,
        done: tuple[str, ...] = (),
    ) -> ApiRequest:
        path = f"/calls/{quote(call_id, safe='')}/actions/{action}"
        return self._request(action, call_id, path, {**body, "command_id": command_id}, done=done)

    def _request(
        self,
        command: str,
        call_id: str,
        path: str,
        body: Mapping[str, object],
        *,
        done: tuple[str, ...] = (),
    ) -> ApiRequest:
        given = {name: value for name, value in body.items() if value is not None}
        return ApiRequest(
            carrier="Telnyx",
            command=command,
            call_id=call_id,
            method="POST",
            url=self._settings.api_url + path,
            headers=self.headers,
            body=json.encode(given),
            rule=RULE,
            read=partial(read_answer, done=done),
        )


def read_answer(answer: ApiAnswer, done: tuple[str, ...] = (), *, quotes: bool = True) -> dict[str, Any]:
    """The data of an answer; empty where it has none, or where Telnyx refused with one of the codes in `done`.

    Raises `CarrierRefused` with Telnyx's own code and words. `quotes`: also with those that may repeat what was sent.
    """
    found = json_object(answer.body)
    if 200 <= answer.status < 300:
        if found is None and answer.body.strip():
            raise refusal("Telnyx", answer.status, None, "the answer should be a JSON object, and is not one")
        data = (found or {}).get("data")
        return data if isinstance(data, dict) else {}
    errors = (found or {}).get("errors")
    faults = [fault for fault in errors if isinstance(fault, dict)] if isinstance(errors, list) else []
    if any(str(fault.get("code")) in done for fault in faults):
        return {}
    fault = faults[0] if faults else {}
    detail = fault.get("detail") if quotes else None
    raise refusal("Telnyx", answer.status, fault.get("code"), fault.get("title"), detail)
