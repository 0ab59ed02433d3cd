"""The server's side of one Realtime session: takes client events and time, returns server events.

Wire: OpenAI, "Realtime API reference" (GA); each message is one JSON object as text. There is no socket and no clock
here: call `begin`, then `hear` for each message and `due` no later than `deadline`; all three return the actions for the
socket, in order. `now` is seconds.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from msgspec import DecodeError, Struct, json

from bridge.simulators.openai.checks import ITEM, RESPONSE, RealtimeRefusal, missing, unsupported
from bridge.simulators.openai.echo import Echo
from bridge.simulators.openai.event_writer import Action, EventWriter
from bridge.simulators.openai.input_audio_buffer import InputAudioBuffer, UtteranceStarted
from bridge.simulators.openai.items import Item, Items, text_tokens
from bridge.simulators.openai.script import OpenAIScript
from bridge.simulators.openai.session import RealtimeSession
from bridge.simulators.openai.session_responses import SessionResponses
from bridge.vocabulary.contracts import WireMessage

LEAST_COMMIT_MS = 100
"""Less audio cannot be committed ("input_audio_buffer.commit")."""

TRANSCRIBED_AFTER_S = 0.3
"""From the commit to the transcript, which another model makes."""

EXPIRED = "Your session hit the maximum duration of 60 minutes."
BETA_DISABLED = "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API."


class Received(NamedTuple):
    """A client event and when it came, seconds."""

    at: float
    event: dict[str, Any]


class _Append(Struct, tag_field="type", tag="input_audio_buffer.append"):
    audio: bytes


_READ_APPEND = json.Decoder(_Append)


class RealtimeConversation:
    """One session. `number`: of its connection, from 1. `unix_time`: when it is opened, seconds."""

    def __init__(
        self, script: OpenAIScript, *, number: int = 1, model: str = "gpt-realtime", unix_time: float = 0.0
    ) -> None:
        self.received: list[Received] = []
        """All client events except those that append audio."""
        self.appends = 0
        self.audio_buffer = InputAudioBuffer()
        self.items = Items()
        self._script = script
        self._faults = faults = script.faults_of(number)
        self._writer = EventWriter(number, faults)
        self.session = RealtimeSession(
            self._writer.name("sess"), model, int(unix_time + faults.expires_s), faults
        )
        self.audio_buffer.configure(self.session.hears, self.session.silence_ms)
        self.on_audio: Callable[[bytes], None] = lambda _: None
        """Is told what the client appends, as it came, in the format `session.hears`."""
        self._responses = SessionResponses(script, number, self._writer, self.session, self.items)
        self._echo = Echo(self._writer, self.items) if script.echo else None
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._utterance = ""  # id of the item that the current utterance becomes
        self._committed = 0

    def begin(self, now: float, *, asks_for_beta: bool = False) -> list[Action]:
        """The connection is open. `asks_for_beta`: it has the header of the beta API, which is refused."""
        faults = self._faults
        if asks_for_beta and not faults.beta:
            self._writer.error("beta_api_shape_disabled", BETA_DISABLED)
            self._writer.close(4000, "beta_api_shape_disabled")
            return self._writer.take()
        self._writer.event("session.created", session=self.session.view())
        self._at(now + faults.expires_s, partial(self._writer.close, 1001, EXPIRED))
        if faults.close is not None:
            self._at(now + faults.close_after_s, partial(self._writer.close, faults.close, "scripted"))
        if faults.mute_after_s is not None:
            self._at(now + faults.mute_after_s, self._writer.mute)
        if faults.stall_s:
            self._at(now + faults.stall_after_s, partial(self._writer.stop_reading, faults.stall_s))
        return self.due(now)

    def deadline(self) -> float | None:
        """When `due` is to be called at the latest; None if nothing is awaited."""
        if self._writer.over:
            return None
        first = min((at for at, _ in self._later), default=None)
        given = self._responses.deadline()
        return given if first is None else first if given is None else min(first, given)

    def due(self, now: float) -> list[Action]:
        """The actions due by `now`."""
        self._catch_up(now)
        return self._writer.take()

    def hear(self, message: WireMessage, now: float) -> list[Action]:
        """A client event came. Actions due before it come first."""
        self._catch_up(now)
        event: dict[str, Any] = {}
        try:
            audio = _read_append(message)
            if audio is not None:
                self.appends += 1
                self._append(audio, now)
            else:
                event = _read(message)
                self.received.append(Received(now, event))
                self._do(event, now)
        except RealtimeRefusal as refusal:
            given = event.get("event_id")
            event_id = given if isinstance(given, str) else None
            self._writer.error(
                refusal.code, refusal.message, param=refusal.param, event_id=event_id, family=refusal.family
            )
        return self._writer.take()

    def _do(self, event: dict[str, Any], now: float) -> None:
        kind = _field(event, "type", str)
        known: dict[str, Callable[[dict[str, Any], float], None]] = {
            "session.update": self._update_session,
            "input_audio_buffer.append": self._refuse_append,
            "input_audio_buffer.commit": self._commit_buffer,
            "input_audio_buffer.clear": self._clear_buffer,
            "conversation.item.create": self._create_item,
            "conversation.item.retrieve": self._retrieve_item,
            "conversation.item.delete": self._delete_item,
            "conversation.item.truncate": self._truncate_item,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
        }
        if kind not in known:
            raise unsupported(kind, known, "type")
        known[kind](event, now)

    def _at(self, at: float, do: Callable[[], None]) -> None:
        self._later.append((at, do))

    def _catch_up(self, now: float) -> None:
        """Do what is due by `now`, in the order of the deadlines."""
        while (at := self.deadline()) is not None and at <= now:
            self._responses.due(at)
            for timer in [timer for timer in self._later if timer[0] <= at]:
                self._later.remove(timer)
                timer[1]()

    # The session

    def _update_session(self, event: dict[str, Any], _now: float) -> None:
        self.session.update(_field(event, "session", dict), has_spoken=self.items.has_model_audio)
        self.audio_buffer.configure(self.session.hears, self.session.silence_ms)
        self._writer.event("session.updated", session=self.session.view())

    # The caller's audio

    def _append(self, audio: bytes, now: float) -> None:
        self.on_audio(audio)
        if self._echo is not None:
            self._echo.answer(audio, self.session.hears)
            return
        for happened in self.audio_buffer.append(audio):
            vad = self.session.turn_detection
            assert vad is not None
            if isinstance(happened, UtteranceStarted):
                start_ms = max(0, happened.at_ms - vad.get("prefix_padding_ms", 300))
                self._utterance = self._writer.name("item")
                self._writer.event(
                    "input_audio_buffer.speech_started", audio_start_ms=start_ms, item_id=self._utterance
                )
                if vad["interrupt_response"]:
                    self._responses.interrupt()
            else:
                self._writer.event(
                    "input_audio_buffer.speech_stopped", audio_end_ms=happened.at_ms, item_id=self._utterance
                )
                self._commit(self._utterance, now)
                if vad["create_response"]:
                    self._responses.create({}, now)

    def _refuse_append(self, event: dict[str, Any], _now: float) -> None:
        _field(event, "audio", str)
        raise RealtimeRefusal(
            "invalid_value", "Invalid 'audio'. Expected base64-encoded audio bytes.", "audio"
        )

    def _commit_buffer(self, _event: dict[str, Any], now: float) -> None:
        buffered = self.audio_buffer.buffered_ms
        if buffered < LEAST_COMMIT_MS:
            raise RealtimeRefusal(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, "
                f"but buffer only has {buffered:.2f}ms of audio.",
            )
        self._commit(self._utterance if self.audio_buffer.speaking else self._writer.name("item"), now)

    def _clear_buffer(self, _event: dict[str, Any], _now: float) -> None:
        self.audio_buffer.take()
        self._writer.event("input_audio_buffer.cleared")

    def _commit(self, name: str, now: float) -> None:
        content = [{"type": "input_audio", "transcript": None}]
        body = {"id": name, "object": "realtime.item", "type": "message", "role": "user"}
        item = Item(body | {"status": "completed", "content": content}, self.audio_buffer.take())
        self._writer.event("input_audio_buffer.committed", previous_item_id=self.items.last, item_id=name)
        self._insert(item, None)
        self._responses.chooser.speak()
        if self.session.transcribes:
            transcript = self._script.heard[self._committed % len(self._script.heard)]
            self._at(now + TRANSCRIBED_AFTER_S, partial(self._transcribe, item, transcript))
        self._committed += 1

    def _transcribe(self, item: Item, transcript: str) -> None:
        item.body["content"][0]["transcript"] = transcript
        place = {"item_id": item.id, "content_index": 0}
        kind = "conversation.item.input_audio_transcription"
        said, heard = text_tokens(transcript), item.tokens().audio
        usage = {
            "type": "tokens",
            "total_tokens": said + heard,
            "input_tokens": heard,
            "output_tokens": said,
            "input_token_details": {"text_tokens": 0, "audio_tokens": heard},
        }
        self._writer.event(f"{kind}.delta", **place, delta=transcript)
        self._writer.event(f"{kind}.completed", **place, transcript=transcript, usage=usage)

    # Items

    def _insert(self, item: Item, after: str | None) -> None:
        before = self.items.insert(item, after)
        for step in ("added", "done"):
            self._writer.event(f"conversation.item.{step}", previous_item_id=before, item=item.body)

    def _create_item(self, event: dict[str, Any], _now: float) -> None:
        given = _field(event, "item", dict)
        ITEM(given, "item")
        body = {"id": given.get("id") or self._writer.name("item"), "object": "realtime.item", **given}
        item = Item(body | {"status": "completed"})
        tool = None
        if body["type"] == "function_call_output":
            tool = self.items.tool_of(body["call_id"])
            if tool is None:
                message = f"Tool call ID '{body['call_id']}' not found in conversation."
                raise RealtimeRefusal("invalid_tool_call_id", message, "item.call_id")
        self._insert(item, event.get("previous_item_id"))
        if tool is not None:
            self._responses.chooser.answer(tool)
        elif body["type"] == "message":
            self._responses.chooser.type(" ".join(item.texts), body["role"])

    def _retrieve_item(self, event: dict[str, Any], _now: float) -> None:
        item = self.items.find(_field(event, "item_id", str), "retrieve")
        self._writer.event("conversation.item.retrieved", item=item.body)

    def _delete_item(self, event: dict[str, Any], _now: float) -> None:
        name = _field(event, "item_id", str)
        self.items.delete(name)
        self._writer.event("conversation.item.deleted", item_id=name)

    def _truncate_item(self, event: dict[str, Any], _now: float) -> None:
        name, end_ms = _field(event, "item_id", str), _field(event, "audio_end_ms", int)
        if _field(event, "content_index", int) != 0 or end_ms < 0:
            raise RealtimeRefusal(
                "invalid_value", "Invalid 'content_index' or 'audio_end_ms'.", "content_index"
            )
        self.items.truncate(name, end_ms)
        self._writer.event("conversation.item.truncated", item_id=name, content_index=0, audio_end_ms=end_ms)

    # Responses

    def _create_response(self, event: dict[str, Any], now: float) -> None:
        asked = event.get("response") or {}
        RESPONSE(asked, "response")
        self._responses.create(asked, now)

    def _cancel_response(self, event: dict[str, Any], _now: float) -> None:
        self._responses.cancel(event.get("response_id"))


def _read_append(message: WireMessage) -> bytes | None:
    """The audio of an append, which nearly all messages are; None if it is another event, or malformed."""
    try:
        return _READ_APPEND.decode(message).audio if isinstance(message, str) else None
    except DecodeError:
        return None


def _read(message: WireMessage) -> dict[str, Any]:
    try:
        event = json.decode(message) if isinstance(message, str) else None
    except (DecodeError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise RealtimeRefusal("invalid_json", "The event could not be parsed as a JSON object.")
    return event


def _field(event: dict[str, Any], key: str, type_: type) -> Any:
    if key not in event:
        raise missing(key)
    if not isinstance(event[key], type_):
        raise RealtimeRefusal("invalid_type", f"Invalid type for '{key}': expected {type_.__name__}.", key)
    return event[key]
