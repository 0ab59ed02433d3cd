"""The responses of one session: at most one in the conversation, any number outside it. `now` is seconds."""

from math import inf
from typing import Any

from msgspec import json

from bridge.simulators.openai.checks import RealtimeRefusal
from bridge.simulators.openai.event_writer import EventWriter
from bridge.simulators.openai.items import Item, Items, Tokens, text_tokens
from bridge.simulators.openai.prepared_reply import PreparedReply, failure
from bridge.simulators.openai.reply_chooser import ReplyChooser
from bridge.simulators.openai.response import Response
from bridge.simulators.openai.script import OpenAIScript, ReplyFaults, ScriptedReply
from bridge.simulators.openai.session import FORMATS, RealtimeSession


class SessionResponses:
    """Creates, runs and cancels the responses of one session. What is not possible raises `RealtimeRefusal`."""

    def __init__(
        self, script: OpenAIScript, number: int, writer: EventWriter, session: RealtimeSession, items: Items
    ) -> None:
        self.chooser = ReplyChooser(script, number, session.tool_names)
        self._script = script
        self._number = number
        self._writer = writer
        self._session = session
        self._items = items
        self._responses: list[Response] = []
        self._fails_since: float | None = None  # the first response of a connection whose responses fail
        self._prompt = Tokens(0, 0)  # of the last response; these tokens are cached

    @property
    def active(self) -> Response | None:
        """The response in the conversation that is under way; None if there is none."""
        return next((one for one in self._responses if one.in_conversation and one.active), None)

    def deadline(self) -> float | None:
        """When `due` is to be called at the latest; None if no response is under way."""
        return min((at for one in self._responses if (at := one.deadline()) is not None), default=None)

    def due(self, now: float) -> None:
        """Send the events due by `now`."""
        for response in self._responses:
            response.due(now)
        self._responses = [response for response in self._responses if response.active]

    def create(self, asked: dict[str, Any], now: float) -> None:
        """Create a response. `asked`: the `response` of response.create; empty for one of the server's own."""
        instructions = asked.get("instructions", "")
        if asked.get("conversation") == "none":
            given = [text for body in asked.get("input", []) for text in Item({"id": "", **body}).texts]
            self._give(self.chooser.instructed(instructions or " ".join(given)), asked, now)
            return
        if (active := self.active) is not None:
            raise RealtimeRefusal(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {active.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        if (message := self._failing(now)) is not None:
            self._fail(message, asked, now)
        else:
            self._give(self.chooser.reply(instructions), asked, now)

    def _failing(self, now: float) -> str | None:
        """The message of a response that fails for now by the faults of the connection; None if it does not."""
        faults = self._script.faults_of(self._number)
        if faults.fail is None:
            return None
        if self._fails_since is None:
            self._fails_since = now
        left_s = inf if faults.fail_for_s is None else self._fails_since + faults.fail_for_s - now
        if left_s <= 0:
            return None
        message = failure(faults.fail, faults.message)[1]
        return message.replace("{left_s}", f"{left_s:.3f}")

    def _fail(self, message: str, asked: dict[str, Any], now: float) -> None:
        """The response fails and the chooser does not learn of it: the next one has the reply of this one."""
        faults = self._script.faults_of(self._number)
        assert faults.fail is not None
        if faults.fail_as == "response":
            reply_faults = ReplyFaults(fail=faults.fail, message=message, after_ms=0)
            self._give(ScriptedReply(first_audio_s=0.0, faults=reply_faults), asked, now)
        elif faults.fail_as == "error" and asked:
            raise RealtimeRefusal(faults.fail, message, family=failure(faults.fail)[0])
        else:
            self._writer.error(faults.fail, message, family=failure(faults.fail)[0])

    def _give(self, reply: ScriptedReply, asked: dict[str, Any], now: float) -> None:
        session = self._session.body
        output = session["audio"]["output"] | asked.get("audio", {}).get("output", {})
        options = {
            "conversation": asked.get("conversation", "auto"),
            "metadata": asked.get("metadata"),
            "output_modalities": asked.get("output_modalities", session["output_modalities"]),
            "max_output_tokens": asked.get("max_output_tokens", session["max_output_tokens"]),
            "audio": {key: output[key] for key in ("format", "voice")},
        }
        prepared = PreparedReply(self._script, reply, self._number, FORMATS[output["format"]["type"]])
        cached, self._prompt = self._prompt, self._prompt_of(asked)
        self._responses.append(
            Response(prepared, self._writer, self._items, options, self._prompt, cached, now)
        )

    def _prompt_of(self, asked: dict[str, Any]) -> Tokens:
        """The tokens of the model's input: instructions, tools and the conversation."""
        session = self._session.body
        items = self._items.tokens()
        instructions = asked.get("instructions", session["instructions"])
        tools = json.encode(asked.get("tools", session["tools"])).decode()
        return Tokens(items.text + text_tokens(instructions) + text_tokens(tools), items.audio)

    def cancel(self, name: str | None) -> None:
        """Cancel the response with this id, or without one the response in the conversation."""
        for response in self._responses:
            if response.active and (response.id == name if name else response.in_conversation):
                response.cancel("client_cancelled", self._script.leftovers)
                return
        raise RealtimeRefusal("response_cancel_not_active", "Cancellation failed: no active response found")

    def interrupt(self) -> None:
        """The caller speaks: cancel the response in the conversation, if there is one."""
        if (active := self.active) is not None:
            active.cancel("turn_detected", self._script.leftovers)
