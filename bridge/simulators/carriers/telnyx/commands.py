"""The commands of Telnyx's Call Control, to calls and to conferences: the fields of each, and which are required.

Wire: Telnyx, "Call Control", "Conference commands". Fields that a command does not have are ignored, as Telnyx does.
"""

from collections.abc import Mapping
from typing import Any

from bridge.simulators.carriers.telnyx.checks import (
    Check,
    address,
    client_state,
    destination,
    flag,
    invalid,
    keys,
    number,
    one_of,
    parameters,
    sip_address,
    text,
    texts,
    whole,
)

CODECS = ("PCMU", "PCMA", "G722", "OPUS", "AMR-WB", "L16")

ROLES = ("barge", "whisper", "monitor")

DETECTIONS = ("premium", "detect", "detect_beep", "detect_words", "greeting_end")

EVERY: dict[str, Check] = {"client_state": client_state, "command_id": text()}

STREAM: dict[str, Check] = {
    "stream_url": address("wss", "ws"),
    "stream_track": one_of("inbound_track", "outbound_track", "both_tracks"),
    "stream_codec": one_of(*CODECS, "default"),
    "stream_bidirectional_mode": one_of("mp3", "rtp"),
    "stream_bidirectional_codec": one_of(*CODECS),
    "stream_bidirectional_target_legs": one_of("both", "self", "opposite"),
}

RATE_AND_TOKEN: dict[str, Check] = {
    "stream_bidirectional_sampling_rate": one_of(8_000, 16_000, 22_050, 24_000, 48_000),
    "stream_auth_token": text(most=4_000),
}

COMMANDS: Mapping[str, Mapping[str, Check]] = {
    "dial": EVERY
    | STREAM
    | RATE_AND_TOKEN
    | {
        "connection_id": text(),
        "to": destination,
        "from": number,
        "timeout_secs": whole(5, 600),
        "time_limit_secs": whole(30, 14_400),
        "webhook_url": address("https", "http"),
        "answering_machine_detection": one_of(*DETECTIONS, "disabled"),
        "send_silence_when_idle": flag,
        "stream_establish_before_call_originate": flag,
        "link_to": text(),
        "bridge_intent": flag,
        "bridge_on_answer": flag,
        "prevent_double_bridge": flag,
        "park_after_unbridge": one_of("self"),
        "supervise_call_control_id": text(),
        "supervisor_role": one_of(*ROLES),
    },
    "answer": EVERY | STREAM | {"send_silence_when_idle": flag, "webhook_url": address("https", "http")},
    "reject": EVERY | {"cause": one_of("CALL_REJECTED", "USER_BUSY")},
    "hangup": EVERY,
    "streaming_start": EVERY | STREAM | RATE_AND_TOKEN | {"custom_parameters": parameters},
    "streaming_stop": EVERY | {"stream_id": text()},
    "send_dtmf": EVERY | {"digits": keys, "duration_millis": whole(100, 500)},
    "bridge": EVERY
    | {
        "call_control_id": text(),
        "queue": text(),
        "park_after_unbridge": one_of("self"),
        "mute_dtmf": one_of("none", "both", "self", "opposite"),
        "prevent_double_bridge": flag,
        "play_ringtone": flag,
    },
    "transfer": EVERY
    | {
        "to": destination,
        "from": number,
        "timeout_secs": whole(5, 600),
        "time_limit_secs": whole(30, 14_400),
        "answering_machine_detection": one_of(*DETECTIONS, "disabled"),
        "target_leg_client_state": client_state,
        "park_after_unbridge": one_of("self"),
        "audio_url": address("https", "http"),
        "early_media": flag,
        "mute_dtmf": one_of("none", "both", "self", "opposite"),
        "webhook_url": address("https", "http"),
    },
    "refer": EVERY | {"sip_address": sip_address},
    "enqueue": EVERY
    | {
        "queue_name": text(),
        "max_wait_time_secs": whole(1, 3_600),
        "max_size": whole(1, 1_000),
        "keep_after_hangup": flag,
    },
    "leave_queue": EVERY,
    "switch_supervisor_role": {"role": one_of(*ROLES)},
}
"""The fields of each command to a call. `answer` has neither a rate, nor a token, nor custom parameters ("Call Control")."""

SEVERAL: dict[str, Check] = {"call_control_ids": texts}

CONFERENCE_COMMANDS: Mapping[str, Mapping[str, Check]] = {
    "conference_create": EVERY
    | {
        "call_control_id": text(),
        "name": text(),
        "beep_enabled": one_of("always", "never", "on_enter", "on_exit"),
        "start_conference_on_create": flag,
        "hold_audio_url": address("https", "http"),
        "max_participants": whole(2, 800),
        "duration_minutes": whole(1, 240),
        "comfort_noise": flag,
    },
    "conference_join": EVERY
    | {
        "call_control_id": text(),
        "mute": flag,
        "hold": flag,
        "hold_audio_url": address("https", "http"),
        "start_conference_on_enter": flag,
        "end_conference_on_exit": flag,
        "soft_end_conference_on_exit": flag,
        "beep_enabled": one_of("always", "never", "on_enter", "on_exit"),
        "supervisor_role": one_of(*ROLES, "none"),
        "whisper_call_control_ids": texts,
    },
    "conference_leave": {"call_control_id": text(), "command_id": text(), "beep_enabled": text()},
    "conference_hold": SEVERAL | {"audio_url": address("https", "http"), "media_name": text()},
    "conference_unhold": SEVERAL,
    "conference_mute": SEVERAL,
    "conference_unmute": SEVERAL,
    "conference_end": {"command_id": text()},
    "conference_update": {
        "call_control_id": text(),
        "command_id": text(),
        "supervisor_role": one_of(*ROLES, "none"),
        "whisper_call_control_ids": texts,
    },
}
"""The fields of each command to a conference. Hold, unhold, mute and unmute have no `command_id`."""

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "dial": ("connection_id", "to", "from"),
    "reject": ("cause",),
    "streaming_start": ("stream_url",),
    "send_dtmf": ("digits",),
    "transfer": ("to",),
    "refer": ("sip_address",),
    "enqueue": ("queue_name",),
    "switch_supervisor_role": ("role",),
    "conference_create": ("call_control_id", "name"),
    "conference_join": ("call_control_id",),
    "conference_leave": ("call_control_id",),
    "conference_unhold": ("call_control_ids",),
    "conference_update": ("call_control_id", "supervisor_role"),
}


def checked(command: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `body` that this command has, checked. Raises `TelnyxRefusal` on the first that is wrong."""
    for field in REQUIRED.get(command, ()):
        if field not in body:
            raise invalid(field, "given")
    checks = COMMANDS.get(command) or CONFERENCE_COMMANDS[command]
    taken = {field: value for field, value in body.items() if field in checks and value is not None}
    for field, value in taken.items():
        checks[field](value, field)
    if "stream_bidirectional_codec" in taken and taken.get("stream_bidirectional_mode") != "rtp":
        raise invalid("stream_bidirectional_codec", "given only with stream_bidirectional_mode = rtp")
    if command == "bridge" and not taken.keys() & {"call_control_id", "queue"}:
        raise invalid("call_control_id", "given, or queue")
    if taken.get("bridge_intent") and "link_to" not in taken:
        raise invalid("link_to", "given with bridge_intent")
    return taken
