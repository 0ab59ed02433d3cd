"""The toy carrier, simulated: its side of a media stream, and what sets a call up at the webhook."""

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, field

import aiohttp

from bridge.simulators.carriers.contract import (
    CallOptions,
    Clear,
    Mark,
    MediaSocket,
    Order,
    Play,
    Warned,
    is_webhook,
)
from bridge.simulators.carriers.registry import CarrierSimulator
from bridge.simulators.phone.plan import CallPlan
from bridge.vocabulary.contracts import WireMessage
from bridge.vocabulary.errors import CallRefused
from telecodecs.format import PCMU_8K, AudioFormat


@dataclass
class SimulatedToyStream:
    """See `SimulatedStream`."""

    call_sid: str = "toy-1"
    stream_sid: str = "stream-1"
    tracks: tuple[str, ...] = ("inbound",)
    parameters: dict[str, str] = field(default_factory=dict)
    one_way: bool = False
    line: AudioFormat = PCMU_8K
    plays: AudioFormat = PCMU_8K
    wire_codecs: tuple[str, str] = (str(PCMU_8K), str(PCMU_8K))
    warnings: list[Warned] = field(default_factory=list)

    def opening(self) -> list[str]:
        return [
            json.dumps(
                {
                    "event": "start",
                    "call": self.call_sid,
                    "stream": self.stream_sid,
                    "tracks": self.tracks,
                    "parameters": self.parameters,
                }
            )
        ]

    def media(self, track: str, audio: bytes, at_ms: int) -> str:
        return self.media_of(track, self.payload(track, audio), at_ms)

    def payload(self, track: str, audio: bytes) -> str:
        return b64encode(audio).decode()

    def media_of(self, track: str, payload: str, at_ms: int) -> str:
        return json.dumps({"event": "audio", "audio": payload, "at_ms": at_ms, "track": track})

    def digit(self, digit: str, at_ms: int = 0) -> str:
        return json.dumps({"event": "key", "key": digit})

    def mark(self, name: str) -> str:
        return json.dumps({"event": "played", "mark": name})

    def closing(self) -> str:
        return json.dumps({"event": "stop"})

    def audio_discarded(self) -> None:
        self.warnings.append(Warned(1, "audio was discarded"))

    def decode(self, message: WireMessage, now: float = 0.0) -> Order | None:
        match json.loads(message):
            case {"event": "play", "audio": audio}:
                return Play(b64decode(audio))
            case {"event": "mark", "mark": name}:
                return Mark(name)
            case {"event": "clear"}:
                return Clear()
            case other:
                self.warnings.append(Warned(2, f"not understood: {other}"))
                return None


@dataclass(frozen=True)
class ToyExchange:
    """See `Exchange`."""

    password: str = field(default="", repr=False)
    call_id: str = "toy-1"
    line: AudioFormat = PCMU_8K

    async def open(self, url: str, plan: CallPlan, *, caller: str, called: str) -> MediaSocket:
        parameters = dict(plan.parameters)
        if is_webhook(url):
            asked = {"call": self.call_id, "from": caller, "to": called}
            headers = {"x-toy-password": self.password}
            async with aiohttp.ClientSession() as http, http.post(url, json=asked, headers=headers) as answer:
                if answer.status != 200:
                    raise CallRefused(f"HTTP {answer.status}: {await answer.text()}")
                found = await answer.json()
            url, parameters = found["stream"], found["parameters"]
        return MediaSocket(url, {}, SimulatedToyStream(self.call_id, parameters=parameters))


def toy_exchange(options: CallOptions) -> ToyExchange:
    """The exchange that `voicebridge call` asks for."""
    return ToyExchange(options.auth_token)


TOY_SIMULATOR = CarrierSimulator(toy_exchange)
