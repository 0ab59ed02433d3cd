"""The settings of one session: its defaults, partial updates, and their shapes in the GA and in the beta API.

Wire: OpenAI, "Realtime API reference": `body` is the `session` of session.created and session.updated in the GA.
"""

from copy import deepcopy
from typing import Any

from bridge.simulators.openai.checks import SESSION, RealtimeRefusal
from bridge.simulators.openai.script import SessionFaults
from telecodecs.format import L16_24K, PCMA_8K, PCMU_8K, AudioFormat

FORMATS: dict[str, AudioFormat] = {"audio/pcm": L16_24K, "audio/pcmu": PCMU_8K, "audio/pcma": PCMA_8K}
BETA_FORMATS = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}

SERVER_VAD: dict[str, Any] = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
SEMANTIC_VAD: dict[str, Any] = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}
VAD_DEFAULTS = {"server_vad": SERVER_VAD, "semantic_vad": SEMANTIC_VAD}
SEMANTIC_SILENCE_MS = {"low": 1200, "medium": 700, "auto": 700, "high": 400}
"""How much silence ends an utterance with semantic VAD, which is not simulated otherwise."""


class RealtimeSession:
    """The settings of one session. `name`: its id. `expires_at`: Unix seconds."""

    def __init__(self, name: str, model: str, expires_at: int, faults: SessionFaults) -> None:
        self._faults = faults
        self.body: dict[str, Any] = {
            "type": "realtime",
            "object": "realtime.session",
            "id": name,
            "model": model,
            "output_modalities": ["audio"],
            "instructions": "You are a friendly voice on the telephone.",
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "tracing": None,
            "truncation": "auto",
            "prompt": None,
            "expires_at": expires_at,
            "include": None,
            "audio": {
                "input": {
                    "format": _format("audio/pcm"),
                    "transcription": None,
                    "noise_reduction": None,
                    "turn_detection": dict(SERVER_VAD),
                },
                "output": {"format": _format("audio/pcm"), "voice": "alloy", "speed": 1.0},
            },
        }
        self._confirm_otherwise()

    @property
    def hears(self) -> AudioFormat:
        return FORMATS[self.body["audio"]["input"]["format"]["type"]]

    @property
    def turn_detection(self) -> dict[str, Any] | None:
        vad: dict[str, Any] | None = self.body["audio"]["input"]["turn_detection"]
        return vad

    @property
    def silence_ms(self) -> int | None:
        """How much silence ends an utterance; None if turn detection is off."""
        vad = self.turn_detection
        if vad is None:
            return None
        if vad["type"] == "semantic_vad":
            return SEMANTIC_SILENCE_MS[vad["eagerness"]]
        return int(vad["silence_duration_ms"])

    @property
    def transcribes(self) -> bool:
        return self.body["audio"]["input"]["transcription"] is not None

    def update(self, changes: Any, *, has_spoken: bool) -> None:
        """Apply a session.update. `has_spoken`: audio was sent, so the voice cannot be changed.

        Raises `RealtimeRefusal`; then nothing has changed.
        """
        if self._faults.beta and isinstance(changes, dict):
            changes = from_beta(changes)
        SESSION(changes, "session")
        if changes.get("model", self.body["model"]) != self.body["model"]:
            raise RealtimeRefusal("invalid_value", "Cannot update the model of a session.", "session.model")
        audio = changes.get("audio", {})
        voice = audio.get("output", {}).get("voice")
        if has_spoken and voice not in (None, self.body["audio"]["output"]["voice"]):
            message = "Cannot update a conversation's voice if assistant audio is present."
            raise RealtimeRefusal("cannot_update_voice", message, "session.audio.output.voice")
        for direction, fields in audio.items():
            self.body["audio"][direction] |= deepcopy(fields)
        self.body |= deepcopy({key: value for key, value in changes.items() if key != "audio"})
        self._fill()
        self._confirm_otherwise()

    def _fill(self) -> None:
        """Fill in the defaults of fields that were left out."""
        heard = self.body["audio"]["input"]
        if (vad := heard["turn_detection"]) is not None:
            heard["turn_detection"] = VAD_DEFAULTS[vad["type"]] | vad
        for direction in self.body["audio"].values():
            direction["format"] = _format(direction["format"]["type"])

    def _confirm_otherwise(self) -> None:
        for direction, forced in (
            ("input", self._faults.input_format),
            ("output", self._faults.output_format),
        ):
            if forced is not None:
                self.body["audio"][direction]["format"] = _format(forced)

    def tool_names(self) -> list[str]:
        """The names of the tools that the model may call now."""
        return [str(tool["name"]) for tool in self.body["tools"] if "name" in tool]

    def view(self) -> dict[str, Any]:
        """The session as it is sent."""
        return as_beta(self.body) if self._faults.beta else self.body


def _format(name: str) -> dict[str, Any]:
    return {"type": name, "rate": 24_000} if name == "audio/pcm" else {"type": name}


def as_beta(body: dict[str, Any]) -> dict[str, Any]:
    """The session in the flat shape of the beta API."""
    heard, said = body["audio"]["input"], body["audio"]["output"]
    same = ("id", "object", "model", "instructions", "tools", "tool_choice", "tracing", "expires_at")
    return {
        **{key: body[key] for key in same},
        "modalities": ["audio", "text"] if body["output_modalities"] == ["audio"] else ["text"],
        "temperature": 0.8,
        "voice": said["voice"],
        "speed": said["speed"],
        "input_audio_format": BETA_FORMATS[heard["format"]["type"]],
        "output_audio_format": BETA_FORMATS[said["format"]["type"]],
        "input_audio_transcription": heard["transcription"],
        "input_audio_noise_reduction": heard["noise_reduction"],
        "turn_detection": heard["turn_detection"],
        "max_response_output_tokens": body["max_output_tokens"],
    }


def from_beta(flat: dict[str, Any]) -> dict[str, Any]:
    """Convert an update in the shape of the beta API to the GA's; one of the GA is returned unchanged."""
    changes = {"type": "realtime"} | deepcopy(flat)
    changes.pop("temperature", None)
    names = {name: key for key, name in BETA_FORMATS.items()}
    moved: dict[str, dict[str, Any]] = {"input": {}, "output": {}}
    for old, (side, new) in _MOVED.items():
        if old in changes:
            moved[side][new] = changes.pop(old)
    for fields in moved.values():
        if "format" in fields:
            fields["format"] = {"type": names.get(fields["format"], fields["format"])}
    if "modalities" in changes:
        changes["output_modalities"] = ["audio"] if "audio" in changes.pop("modalities") else ["text"]
    if "max_response_output_tokens" in changes:
        changes["max_output_tokens"] = changes.pop("max_response_output_tokens")
    for side, fields in moved.items():
        if fields:
            changes.setdefault("audio", {}).setdefault(side, {}).update(fields)
    return changes


_MOVED = {
    "input_audio_format": ("input", "format"),
    "input_audio_transcription": ("input", "transcription"),
    "input_audio_noise_reduction": ("input", "noise_reduction"),
    "turn_detection": ("input", "turn_detection"),
    "output_audio_format": ("output", "format"),
    "voice": ("output", "voice"),
    "speed": ("output", "speed"),
}
"""Fields of the beta API, and their place in the GA's `audio`."""
