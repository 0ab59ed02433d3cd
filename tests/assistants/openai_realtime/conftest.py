"""A line to an imagined Realtime server: what it says and what it is told are written in shorthand.

it says   created R1 | created R1 ours | audio R1 A 500 | audio-done R1 A | words R1 A Good day | done R1
          done R1 failed server_error Try again in 2s. | not-active | speech U1 | pause U1 | committed U1 | transcribed U1 Hello
          call R1 c1 weather {"city": "Rome"} | added (the item we created last) | refused | error CODE TEXT
is told   update listening | append 160 | commit | item user: ... | output c1: ... (behind F) | truncate A 300 | delete A
          called c1 weather {"city": "Rome"}
          cancel R1 | create | create: (the end of its instructions) | create aside: ...
we say    sound A 500 for a ReplyAudio of so many ms, delayed 0.4 for a ReplyDelayed by so many seconds; all else as it is
"""

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from bridge.assistants.openai_realtime.dialect import RealtimeDialect
from bridge.assistants.openai_realtime.settings import RealtimeSettings
from bridge.vocabulary.commands import AssistantCommand, OpenAssistant
from bridge.vocabulary.contracts import AssistantOutcome, ToolSchema
from bridge.vocabulary.events import AssistantReady, ReplyAudio, ReplyDelayed, Word
from telecodecs.format import PCMU_8K, AudioFormat

Outcome = Word | str
Row = tuple[float, AssistantCommand | str | None, list[Outcome]]
"""When, what came (None: nothing), what we do."""


class RealtimeLine:
    """One session, and its clock."""

    def __init__(self, *, tools: Sequence[ToolSchema] = (), **settings: Any) -> None:
        given = {"instructions": "Be kind.", "reply_s": 10.0} | settings
        self.dialect = RealtimeDialect(RealtimeSettings(**given), tools)
        self.now = 0.0
        self.sent: list[dict[str, Any]] = []
        self.speaks = PCMU_8K

    def open(self, line: AudioFormat = PCMU_8K, **command: Any) -> list[Outcome]:
        """Up to the server's answer to our settings; what follows it."""
        self.tell(OpenAssistant(command.pop("call_id", "CA1"), line, **command))
        outcome = self.hear(self.echo())
        self.speaks = next(event.speaks for event in outcome if isinstance(event, AssistantReady))
        return outcome

    def echo(self) -> dict[str, Any]:
        """The server takes the session as it was set."""
        return {"type": "session.updated", "session": self.last("session.update")["session"]}

    def last(self, kind: str) -> dict[str, Any]:
        return next(message for message in reversed(self.sent) if message["type"] == kind)

    def tell(self, command: AssistantCommand) -> list[Outcome]:
        outcome = self._all_shown(self.dialect.encode(command, self.now))
        due = self.dialect.deadline()
        return outcome + (self.wait() if due is not None and due <= self.now else [])

    def hear(self, event: str | dict[str, Any]) -> list[Outcome]:
        message = json.dumps(self.event(event) if isinstance(event, str) else event)
        return self._all_shown(self.dialect.decode(message, self.now))

    def wait(self) -> list[Outcome]:
        return self._all_shown(self.dialect.due(self.now))

    def pass_to(self, now: float) -> list[Outcome]:
        """Time passes; what falls due on the way."""
        outcome: list[Outcome] = []
        while (due := self.dialect.deadline()) is not None and due <= now:
            self.now = max(self.now, due)
            outcome += self.wait()
            again = self.dialect.deadline()
            assert again is None or again > self.now, "what is due was not done"
        self.now = now
        return outcome

    def play(self, rows: Iterable[Row]) -> None:
        for now, came, expected in rows:
            outcome = self.pass_to(now)
            if isinstance(came, str):
                outcome += self.hear(came)
            elif came is not None:
                outcome += self.tell(came)
            assert outcome == expected, (now, came)

    def _all_shown(self, outcomes: Sequence[AssistantOutcome]) -> list[Outcome]:
        return [self._shown(outcome) for outcome in outcomes]

    def _shown(self, outcome: AssistantOutcome) -> Outcome:
        if isinstance(outcome, ReplyAudio):
            return f"sound {outcome.item} {self.speaks.duration_ms(len(outcome.audio)):g}"
        if isinstance(outcome, ReplyDelayed):
            return f"delayed {outcome.wait_s:.1f}"
        if isinstance(outcome, Word):
            return outcome
        assert isinstance(outcome, str), "OpenAI Realtime is text"
        message = json.loads(outcome)
        self.sent.append(message)
        return shown(message)

    def event(self, text: str) -> dict[str, Any]:
        """A server event from its shorthand."""
        what, *words = text.split(" ")
        rest = " ".join(words[1:])
        match what:
            case "created" | "done":
                return {"type": f"response.{what}", "response": self._response(what, words)}
            case "audio":
                audio = b"\x55" * self.speaks.bytes_in(int(words[2]))
                delta = base64.b64encode(audio).decode()
                return reply("response.output_audio.delta", words, delta=delta)
            case "audio-done":
                return reply("response.output_audio.done", words)
            case "words":
                delta = " ".join(words[2:])
                return reply("response.output_audio_transcript.delta", words, delta=delta)
            case "speech" | "pause" | "committed":
                kind = {"speech": "speech_started", "pause": "speech_stopped"}.get(what, what)
                return {"type": f"input_audio_buffer.{kind}", "item_id": words[0]}
            case "transcribed":
                kind = "conversation.item.input_audio_transcription.completed"
                return {"type": kind, "item_id": words[0], "transcript": rest}
            case "call":
                response, call, name, *arguments = words
                return {
                    "type": "response.function_call_arguments.done",
                    "response_id": response,
                    "item_id": f"F-{call}",
                    "call_id": call,
                    "name": name,
                    "arguments": " ".join(arguments),
                }
            case "added":
                return {
                    "type": "conversation.item.added",
                    "item": self.last("conversation.item.create")["item"],
                }
            case "refused":
                code = "conversation_already_has_active_response"
                return error(code, "in progress", self.last("response.create")["event_id"])
            case "not-active":
                code = "response_cancel_not_active"
                return error(code, "no active response", self.last("response.cancel")["event_id"])
            case "error":
                return error(words[0], rest)
            case _:
                raise AssertionError(text)

    def _response(self, what: str, words: list[str]) -> dict[str, Any]:
        response: dict[str, Any] = {"object": "realtime.response", "id": words[0], "metadata": None}
        if "ours" in words:
            response["metadata"] = self.last("response.create")["response"]["metadata"]
        if what == "done":
            status = words[1] if len(words) > 1 else "completed"
            response |= {
                "status": status,
                "status_details": _details(status, words[2:]) if words[2:] else None,
            }
        return response


def _details(status: str, words: list[str]) -> dict[str, Any]:
    words = [word for word in words if word != "ours"]
    if status != "failed":
        return {"type": status, "reason": words[0]}
    return {"type": status, "error": {"code": words[0], "message": " ".join(words[1:]) or None}}


def reply(kind: str, words: list[str], **fields: Any) -> dict[str, Any]:
    return {"type": kind, "response_id": words[0], "item_id": words[1], **fields}


def error(code: str, message: str, event_id: str | None = None) -> dict[str, Any]:
    body = {"type": "invalid_request_error", "code": code, "message": message, "event_id": event_id}
    return {"type": "error", "error": body}


def shown(message: dict[str, Any]) -> str:
    """The shorthand of what the server is told."""
    match message:
        case {"type": "input_audio_buffer.append", "audio": audio}:
            return f"append {len(base64.b64decode(audio, validate=True))}"
        case {"type": "input_audio_buffer.commit"}:
            return "commit"
        case {"type": "session.update", "session": {"audio": {"input": {"turn_detection": vad}}}}:
            return "update listening" if vad else "update deaf"
        case {
            "type": "conversation.item.create",
            "item": {"type": "message", "role": role, "content": [part]},
        }:
            return f"item {role}: {part['text']}"
        case {"type": "conversation.item.create", "item": {"call_id": call, "name": name, "arguments": args}}:
            return f"called {call} {name} {args}"
        case {"type": "conversation.item.create", "item": {"call_id": call, "output": output}}:
            behind = f" (behind {message['previous_item_id']})" if "previous_item_id" in message else ""
            return f"output {call}: {output}{behind}"
        case {"type": "conversation.item.truncate", "item_id": item, "content_index": 0, "audio_end_ms": ms}:
            return f"truncate {item} {ms}"
        case {"type": "conversation.item.delete", "item_id": item}:
            return f"delete {item}"
        case {"type": "response.cancel", "response_id": response}:
            return f"cancel {response}"
        case {"type": "response.create", "response": response}:
            aside = " aside" if response.get("conversation") == "none" else ""
            instructions = response.get("instructions", "").removeprefix("Be kind.\n\n")
            return f"create{aside}" + (f": {instructions}" if instructions else "")
        case _:
            raise AssertionError(message)


Dial = Callable[..., RealtimeLine]


@pytest.fixture
def dial() -> Dial:
    """A line with these settings, not yet opened."""
    return RealtimeLine
