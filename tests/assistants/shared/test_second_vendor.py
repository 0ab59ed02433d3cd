"""The shared parts under another vendor's protocol: a toy dialect in the messages of Gemini Live, told as a session.

Wire: Gemini Live, `toolCall`, `toolResponse`, `serverContent`, `realtimeInput.text`. The toy has no audio formats and no set-up:
it shows that tool calls, the keypad, hanging up, scripted responses and the reply timeout need nothing of OpenAI's.
"""

import json
from typing import Any

import pytest

from bridge.assistants.shared.hang_up_sequence import HangUpSequence, Step, hung_up
from bridge.assistants.shared.keypad import as_text
from bridge.assistants.shared.pending_calls import PendingCalls
from bridge.assistants.shared.reply_timeout import ReplyTimeout
from bridge.assistants.shared.scripted_responses import ScriptedResponse, ScriptedResponses
from bridge.assistants.shared.tool_calls import CallOutcome, ToolCall, ToolCalls, ToolOutput
from bridge.vocabulary.commands import AnswerTool, EnterDigits
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantHangingUp,
    CloseRequested,
    EntryRequested,
    NoteTaken,
    SpeechStarted,
    ToolCalled,
    Word,
)

REPLY_S, FILLER_S = 5.0, 2.0

Row = tuple[float, dict[str, Any] | AnswerTool | EnterDigits | None, list[Word | dict[str, Any]]]
"""When, what came (None: nothing), events for the core and messages for the server."""


class ToyDialect:
    """One session. Its turns have no ids on the wire: they are counted."""

    def __init__(self) -> None:
        self._pending = PendingCalls(FILLER_S)
        self._hang_up = HangUpSequence()
        self._tools = ToolCalls(self._pending, self._hang_up)
        self._timeout = ReplyTimeout(REPLY_S)
        self._scripted = ScriptedResponses("Be kind.")
        self._turn = 1
        self._spoke = self._farewell = False

    def encode(self, command: AnswerTool | EnterDigits, _now: float) -> list[Word | str]:
        if isinstance(command, AnswerTool):
            return self._sent(self._tools.answer(command.tool_call_id, command.output))
        if self._tools.is_requested(command):
            return self._sent([self._tools.enter(command)])
        return [self._text(as_text(command, "Typed: {digits}"))]

    def decode(self, message: str, now: float) -> list[Word | str]:
        body = json.loads(message)
        outcome: list[Word | str] = []
        for call in body.get("toolCall", {}).get("functionCalls", ()):
            arguments = json.dumps(call["args"])
            tool_call = ToolCall(call["id"], call["name"], arguments, f"turn-{self._turn}")
            outcome += self._sent(self._tools.call(tool_call, now))
        content = body.get("serverContent", {})
        if "modelTurn" in content:
            self._spoke = True
            self._timeout.go_on(now)
        if "inputTranscription" in content:
            self._timeout.start(now)
        if content.get("interrupted"):
            outcome += [AssistantHangingUp(intended=False)] if self._hang_up.call_off() else []
            outcome.append(SpeechStarted())
        if content.get("turnComplete"):
            outcome += self._turn_complete()
        return outcome

    def due(self, now: float) -> list[Word | str]:
        if self._pending.take_filler(now, quiet=True):
            return [self._ask(self._scripted.filler("One moment."))]
        if not self._timeout.is_over(now):
            return []
        return [self._text("")] if self._timeout.retry_once(now) else [AssistantFailed("no reply")]

    def _turn_complete(self) -> list[Word | str]:
        step = self._hang_up.response_done(
            f"turn-{self._turn}", spoke=self._spoke, is_farewell=self._farewell
        )
        prompt = self._tools.take_prompt("" if not self._spoke else None)
        self._timeout.stop()
        self._turn += 1
        self._spoke = self._farewell = False
        match step:
            case Step.HANG_UP:
                return [hung_up()]
            case Step.SAY_GOODBYE:
                self._farewell = True
                return [self._ask(self._scripted.farewell("Say goodbye."))]
            case Step.GO_ON:
                return [self._ask(self._scripted.prompt(prompt))] if prompt else []

    def _sent(self, outcomes: list[CallOutcome] | list[ToolOutput]) -> list[Word | str]:
        return [self._output(one) if isinstance(one, ToolOutput) else one for one in outcomes]

    def _output(self, output: ToolOutput) -> str:
        response = {"id": output.tool_call_id, "response": {"result": output.output}}
        return json.dumps({"toolResponse": {"functionResponses": [response]}})

    def _ask(self, response: ScriptedResponse) -> str:
        return self._text(response.instructions)

    def _text(self, text: str) -> str:
        return json.dumps({"realtimeInput": {"text": text}})


def called(call_id: str, name: str, **arguments: Any) -> dict[str, Any]:
    return {"toolCall": {"functionCalls": [{"id": call_id, "name": name, "args": arguments}]}}


def answered(call_id: str, output: str) -> dict[str, Any]:
    return {"toolResponse": {"functionResponses": [{"id": call_id, "response": {"result": output}}]}}


def text(words: str) -> dict[str, Any]:
    return {"realtimeInput": {"text": words}}


SOUND = {"serverContent": {"modelTurn": {"parts": [{"inlineData": {"data": "AAAA"}}]}}}
DONE = {"serverContent": {"turnComplete": True}}
SPOKEN = {"serverContent": {"inputTranscription": {"text": "hi"}}}
INTERRUPTED = {"serverContent": {"interrupted": True}}
LEAVES = AssistantHangingUp()
GONE = answered("f1", "the call ends now")

SESSIONS: dict[str, list[Row]] = {
    "a tool that runs, with a filler": [
        (1.0, called("f1", "weather", city="Rome"), [ToolCalled("f1", "weather", '{"city": "Rome"}')]),
        (3.0, None, [text('Be kind.\n\nSay exactly this and nothing else: "One moment."')]),
        (4.0, AnswerTool("f1", "sunny"), [answered("f1", "sunny")]),
    ],
    "a note": [(1.0, called("f1", "note", text="x"), [NoteTaken("x"), answered("f1", "noted")])],
    "wrong arguments": [
        (1.0, called("f1", "note"), [answered("f1", 'error: the arguments should be {"text": "..."}')])
    ],
    "an entry with a prompt that the model has not said": [
        (1.0, called("f1", "collect_digits", prompt="Your PIN?"), [EntryRequested("f1")]),
        (1.1, DONE, [text('Be kind.\n\nSay exactly this and nothing else: "Your PIN?"')]),
        (9.0, EnterDigits("12", request_id="f1"), [answered("f1", '{"digits":"12","reason":"quiet"}')]),
    ],
    "an entry that the model did not ask for": [(1.0, EnterDigits("12"), [text("Typed: 12")])],
    "hanging up with the goodbye in the same turn": [
        (1.0, SOUND, []),
        (1.1, called("f1", "hang_up"), [LEAVES, GONE]),
        (1.2, DONE, [CloseRequested("the assistant hung up", 1000)]),
    ],
    "hanging up without a goodbye": [
        (1.0, called("f1", "hang_up"), [LEAVES, GONE]),
        (1.1, DONE, [text("Be kind.\n\nSay goodbye.")]),
        (1.2, SOUND, []),
        (1.3, DONE, [CloseRequested("the assistant hung up", 1000)]),
    ],
    "a caller who interrupts the goodbye stays": [
        (1.0, called("f1", "hang_up"), [LEAVES, GONE]),
        (1.1, INTERRUPTED, [AssistantHangingUp(intended=False), SpeechStarted()]),
        (1.2, DONE, []),
    ],
    "no reply: asked again, then given up": [
        (1.0, SPOKEN, []),
        (6.0, None, [text("")]),
        (11.0, None, [AssistantFailed("no reply")]),
    ],
}


@pytest.mark.parametrize("session", SESSIONS)
def test_sessions(session: str) -> None:
    dialect = ToyDialect()
    for now, came, expected in SESSIONS[session]:
        outcome = dialect.due(now)
        if isinstance(came, dict):
            outcome += dialect.decode(json.dumps(came), now)
        elif came is not None:
            outcome += dialect.encode(came, now)
        shown = [json.loads(one) if isinstance(one, str) else one for one in outcome]
        assert shown == expected, (now, came)
