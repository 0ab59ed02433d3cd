"""What a trace says that the bridge sent: for each leg its audio and its commands, in a form that can be compared."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from bridge.observers.trace import ASSISTANT, BRIDGE, CARRIER, HttpMessage, Trace, TraceLine, decoded_base64
from bridge.observers.trace_masking import audio_field, is_audio_text
from telecodecs.format import PCMU_8K, AudioFormat

_HAPPENED = {"opened": "the opening of the leg", "closed": "the close of the leg"}


class SentCommand(NamedTuple):
    """A message without audio, or what else the bridge did with a leg."""

    at_ms: float
    place: int
    """How many bytes of the segment's audio were sent before it."""
    name: str
    """In words: "a clear", "session.update"."""
    body: Any = None
    """Its fields, to be compared."""


class Segment:
    """What was sent from one clear to the next."""

    def __init__(self) -> None:
        self.audio = bytearray()
        self.commands: list[SentCommand] = []
        self.masked: list[tuple[int, int]] = []
        """Spans of the audio that were taken out of the trace."""
        self.is_cleared = False
        self._places: list[int] = []
        self._times: list[float] = []

    def add(self, audio: bytes, at_ms: float, *, masked: bool) -> None:
        """A frame was sent."""
        self._places.append(len(self.audio))
        self._times.append(at_ms)
        if masked:
            self.masked.append((len(self.audio), len(self.audio) + len(audio)))
        self.audio += audio

    def at_ms(self, place: int) -> float:
        """When the byte at this place was sent; for one that was not sent, when the last one was."""
        return self._times[max(0, bisect_right(self._places, place) - 1)] if self._times else 0.0


class Output:
    """What was sent on one leg."""

    def __init__(self, leg: str) -> None:
        self.leg = leg
        self.segments = [Segment()]

    def add(self, line: TraceLine) -> None:
        """One line about this leg."""
        if line.what:
            body = {"code": line.code, "reason": line.reason, "assistant": line.assistant, "kind": line.kind}
            self._command(line, _HAPPENED.get(line.what, line.what), body)
        elif line.post is not None:
            self._command(line, "a post", _http(line.post))
        elif line.base64 is not None:
            self.segments[-1].add(line.base64, line.at_ms, masked=line.masked)
        elif line.text is not None:
            self._text(line, line.text)
        else:
            self._message(line)

    def _text(self, line: TraceLine, text: str) -> None:
        if is_audio_text(text):
            self.segments[-1].add(text.encode(), line.at_ms, masked=line.masked)
        else:
            self._command(line, text if len(text) < 40 else "a text", text)

    def _message(self, line: TraceLine) -> None:
        message = msgspec.json.decode(bytes(line.message))
        if not isinstance(message, dict):
            self._command(line, "a message", message)
            return
        if (found := audio_field(message)) is not None:
            table, field = found
            if (audio := decoded_base64(table[field])) is not None:
                self.segments[-1].add(audio, line.at_ms, masked=line.masked)
                return
        name = message.get("event", message.get("type"))
        self._command(line, _in_words(name), message)
        if name == "clear":
            self.segments[-1].is_cleared = True
            self.segments.append(Segment())

    def _command(self, line: TraceLine, name: str, body: Any) -> None:
        segment = self.segments[-1]
        segment.commands.append(SentCommand(line.at_ms, len(segment.audio), name, body))

    @property
    def counts(self) -> dict[str, int]:
        """How much of what was sent."""
        audio = sum(len(segment.audio) for segment in self.segments)
        return {"audio_bytes": audio, "commands": sum(len(segment.commands) for segment in self.segments)}


def _in_words(name: object) -> str:
    return f"a {name}" if name in ("clear", "mark") else str(name)


def _http(http: HttpMessage) -> dict[str, Any]:
    body = msgspec.json.decode(http.json) if bytes(http.json) else http.text
    return {"headers": http.headers, "body": body, "audio": http.base64}


def outputs(lines: Iterable[TraceLine], *, has_assistant: bool) -> dict[str, Output]:
    """What was sent, by leg. `has_assistant`: the assistants' legs as well; of others only when they were opened."""
    found: dict[str, Output] = {}
    for line in lines:
        if line.to == BRIDGE or line.what in ("lost", "ready", "tool", "told", "ended"):
            continue
        if line.leg.startswith(ASSISTANT) and not has_assistant and line.what != "opened":
            continue
        found.setdefault(line.leg, Output(line.leg)).add(line)
    return found


def said_ids(trace: Trace) -> frozenset[str]:
    """The ids by which the peers' messages name things: a replay that says the same must use the same."""
    return frozenset(found for line in trace.lines for found in _ids_in(line))


def _ids_in(line: TraceLine) -> Iterator[str]:
    raw = bytes(line.message)
    if line.to != BRIDGE or line.leg.startswith(CARRIER) or b'audio.delta"' in raw or not raw:
        return
    yield from _ids(msgspec.json.decode(raw))


def _ids(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str):
                if is_id(name):
                    yield inner
            else:
                yield from _ids(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _ids(inner)


def is_id(name: str) -> bool:
    """Whether a field of this name refers to something by a name that somebody chose."""
    return name.lower().endswith("id")


def byte_ms(trace: Trace, leg: str) -> float:
    """Milliseconds of one byte of a leg's audio, as near as the trace says it: for words, and for tolerances."""
    line: AudioFormat = trace.header.line or PCMU_8K
    if leg.startswith(CARRIER):
        return (trace.header.plays or line).duration_ms(1)
    ready = (one.hears for one in trace.lines if one.what == "ready" and one.leg == leg)
    return (next(ready, None) or line).duration_ms(1)
