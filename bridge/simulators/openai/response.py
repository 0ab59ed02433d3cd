"""One response: sends the events of a prepared reply at their times.

`due` sends all events that are due, `cancel` those of a cancelled response. `now` is seconds. The audio that was sent of
an item so far is the item's length, against which a truncate is checked.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from bridge.simulators.openai.event_writer import EventWriter
from bridge.simulators.openai.items import MODEL_TOKEN_MS, Item, Items, Tokens, text_tokens
from bridge.simulators.openai.prepared_reply import PreparedReply, failure
from bridge.simulators.openai.script import ScriptedToolCall
from bridge.simulators.openai.voice import Delta

BAD_DELTA = "//8=this is no base64%%"

RATE_LIMITS = [
    {"name": "requests", "limit": 1000, "remaining": 999, "reset_seconds": 0.06},
    {"name": "tokens", "limit": 400_000, "remaining": 399_000, "reset_seconds": 0.15},
]


class Response:
    """One response, from response.created to response.done.

    `options`: of the response, as resolved from the request and the session. `prompt`, `cached`: tokens of its input.
    """

    def __init__(
        self,
        prepared: PreparedReply,
        writer: EventWriter,
        items: Items,
        options: Mapping[str, Any],
        prompt: Tokens,
        cached: Tokens,
        now: float,
    ) -> None:
        self.id = writer.name("resp")
        self.in_conversation = options["conversation"] != "none"
        self.status = "in_progress"
        self.said_ms = 0.0
        self._prepared = prepared
        self._writer = writer
        self._items = items
        self._options = options
        self._prompt = prompt
        self._cached = Tokens(min(prompt.text, cached.text), min(prompt.audio, cached.audio))
        self._text_mode = options["output_modalities"] == ["text"]
        self._output: list[Item] = []
        self._open = False
        self._words = ""
        self._deltas: tuple[Delta, ...] = ()
        self._said = 0  # how many of them were sent
        self._head = ""
        self._struck = False
        self._bad_deltas = int(prepared.faults.bad_delta)
        self._steps = self._perform(now)
        self._next: float | None = next(self._steps)

    @property
    def active(self) -> bool:
        return self.status == "in_progress"

    def deadline(self) -> float | None:
        """When `due` is to be called at the latest; None if the response is over."""
        return self._next

    def due(self, now: float) -> None:
        """Send the events due by `now`."""
        while self._next is not None and self._next <= now:
            self._next = next(self._steps, None)

    def cancel(self, reason: str, leftovers: int) -> None:
        """Cancel the response. `leftovers`: how many deltas still come before its last events."""
        self._next = None
        if self._open and not self._is_call:
            for delta in self._deltas[self._said :][:leftovers]:
                self._say(delta)
        self._end("cancelled", {"type": "cancelled", "reason": reason})

    # Events in time

    def _perform(self, started: float) -> Iterator[float]:
        """Send the events; yields the time at which to go on, seconds."""
        self._writer.event("response.created", response=self._view())
        prepared = self._prepared
        at = started + prepared.first_audio_s
        yield at
        for deltas in prepared.items:
            self._open_message()
            self._deltas, self._said = deltas, 0
            for delta in deltas:
                if self.said_ms >= prepared.faults.after_ms and self._strike():
                    return
                self._say(delta)
                at += delta.ms * prepared.pace
                yield at
            self._close("completed")
        for call in prepared.calls:
            yield from self._call(call, at)
            if not self.active:
                return
        if not self._strike():
            reason = prepared.incomplete
            details = {"type": "incomplete", "reason": reason} if reason else {"type": "completed"}
            self._end(details["type"], details)

    def _call(self, call: ScriptedToolCall, at: float) -> Iterator[float]:
        fixed = self._prepared.call_id
        name = self._writer.name("call") if fixed is None else fixed
        item = self._add({"type": "function_call", "name": call.name, "call_id": name, "arguments": ""})
        half = len(call.arguments) // 2
        self._arguments(item, call.arguments[:half])
        yield at
        if self._strike():
            return
        self._arguments(item, call.arguments[half:])
        self._close("completed")

    def _strike(self) -> bool:
        """Apply the reply's faults, once; whether the response has ended by them."""
        faults = self._prepared.faults
        if self._struck:
            return not self.active
        self._struck = True
        if faults.mute:
            self._writer.mute()
        if faults.error is not None:
            family, message = failure(faults.error, faults.message)
            self._writer.error(faults.error, message, family=family)
        if faults.fail is not None:
            family, message = failure(faults.fail, faults.message)
            error = {"type": family, "code": faults.fail, "message": message}
            self._end("failed", {"type": "failed", "error": error})
        if faults.close is not None:
            self._writer.close(faults.close, "scripted")
            self.status = "failed"
        return not self.active

    # Items

    @property
    def _is_call(self) -> bool:
        return bool(self._output[-1].body["type"] == "function_call")

    @property
    def _place(self) -> dict[str, Any]:
        """The fields that say to which item of the response an event belongs."""
        return {
            "response_id": self.id,
            "item_id": self._output[-1].id,
            "output_index": len(self._output) - 1,
        }

    @property
    def _part(self) -> dict[str, Any]:
        return self._place | {"content_index": 0}

    def _add(self, body: dict[str, Any]) -> Item:
        body = {"id": self._writer.name("item"), "object": "realtime.item", **body, "status": "in_progress"}
        item = Item(body)
        self._output.append(item)
        self._open = True
        self._writer.event(
            "response.output_item.added", response_id=self.id, output_index=len(self._output) - 1, item=body
        )
        if self.in_conversation:
            before = self._items.insert(item)
            self._writer.event("conversation.item.added", previous_item_id=before, item=body)
        return item

    def _open_message(self) -> None:
        item = self._add({"type": "message", "role": "assistant", "content": []})
        self._words = ""
        self._head = self._writer.audio_head(self.id, item.id, len(self._output) - 1)
        self._writer.event("response.content_part.added", **self._part, part=self._content_part())

    def _say(self, delta: Delta) -> None:
        if delta.words:
            self._words += delta.words
            kind = "output_text" if self._text_mode else "output_audio_transcript"
            self._writer.event(f"response.{kind}.delta", **self._part, delta=delta.words)
        self._said += 1
        self.said_ms += delta.ms
        if self._text_mode:
            return
        self._writer.audio(self._head, delta.audio)
        self._output[-1].audio_ms += delta.ms
        if self._bad_deltas:
            self._bad_deltas -= 1
            self._writer.audio(self._head, BAD_DELTA)

    def _arguments(self, item: Item, delta: str) -> None:
        item.body["arguments"] += delta
        call = item.body["call_id"]
        self._writer.event("response.function_call_arguments.delta", **self._place, call_id=call, delta=delta)

    def _close(self, status: str) -> None:
        """Send the last events of the open item."""
        item = self._output[-1]
        self._open = False
        if self._is_call:
            fields = {key: item.body[key] for key in ("call_id", "name", "arguments")}
            if status == "completed":
                self._writer.event("response.function_call_arguments.done", **self._place, **fields)
        else:
            self._close_message(item)
        item.body["status"] = status
        index = len(self._output) - 1
        self._writer.event(
            "response.output_item.done", response_id=self.id, output_index=index, item=item.body
        )
        if self.in_conversation and item.id in self._items:
            self._writer.event("conversation.item.done", item=item.body)

    def _close_message(self, item: Item) -> None:
        if self._text_mode:
            content = {"type": "output_text", "text": self._words}
            self._writer.event("response.output_text.done", **self._part, text=self._words)
        else:
            content = {"type": "output_audio", "transcript": self._words}
            self._writer.event("response.output_audio.done", **self._part)
            self._writer.event("response.output_audio_transcript.done", **self._part, transcript=self._words)
        self._writer.event("response.content_part.done", **self._part, part=self._content_part())
        item.body["content"] = [content]

    def _content_part(self) -> dict[str, Any]:
        return (
            {"type": "text", "text": self._words}
            if self._text_mode
            else {"type": "audio", "transcript": self._words}
        )

    # The end

    def _end(self, status: str, details: dict[str, Any]) -> None:
        if self._open:
            self._close("incomplete")
        self.status = status
        self._writer.event("response.done", response=self._view(details))
        self._writer.event("rate_limits.updated", rate_limits=RATE_LIMITS)

    def _view(self, details: dict[str, Any] | None = None) -> dict[str, Any]:
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": self.status,
            "status_details": details,
            "output": [item.body for item in self._output],
            "conversation_id": "conv_1" if self.in_conversation else None,
            "output_modalities": self._options["output_modalities"],
            "max_output_tokens": self._options["max_output_tokens"],
            "audio": {"output": self._options["audio"]},
            "usage": self._usage() if details else None,
            "metadata": self._options["metadata"],
        }

    def _usage(self) -> dict[str, Any]:
        said = "".join(text for item in self._output for text in item.texts)
        audio = 0 if self._text_mode else int(-(-self.said_ms // MODEL_TOKEN_MS))
        output = Tokens(text_tokens(said), audio)
        return {
            "total_tokens": sum(self._prompt) + sum(output),
            "input_tokens": sum(self._prompt),
            "output_tokens": sum(output),
            "input_token_details": {
                "text_tokens": self._prompt.text,
                "audio_tokens": self._prompt.audio,
                "image_tokens": 0,
                "cached_tokens": sum(self._cached),
                "cached_tokens_details": {
                    "text_tokens": self._cached.text,
                    "audio_tokens": self._cached.audio,
                    "image_tokens": 0,
                },
            },
            "output_token_details": {"text_tokens": output.text, "audio_tokens": output.audio},
        }
