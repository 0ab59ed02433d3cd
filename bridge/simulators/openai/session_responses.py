"""The responses of one session: at most one in the conversation, any number outside it. `now` is seconds."""

from typing import Any

from msgspec import json

from bridge.simulators.openai.checks import RealtimeRefusal
from bridge.simulators.openai.event_writer import EventWriter
from bridge.simulators.openai.items import Item, Items, Tokens, text_tokens
from bridge.simulators.openai.prepared_reply import PreparedReply
from bridge.simulators.openai.reply_chooser import ReplyChooser
from bridge.simulators.openai.response import Response
from bridge.simulators.openai.script import OpenAIScript, ScriptedReply
from bridge.simulators.openai.session import FORMATS, RealtimeSession


class SessionResponses:
    """Creates, runs and cancels the responses of one session. What is not possible raises `RealtimeRefusal`."""

    def __init__(
        self, script: OpenAIScript, number: int, writer: EventWriter, session: RealtimeSession, items: Items
    ) -> None:
        self.chooser = ReplyChooser(script)
        self._script = script
        self._number = number
        self._writer = writer
        self._session = session
        self._items = items
        self._responses: list[Response] = []
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
        self._give(self.chooser.reply(instructions), asked, now)

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
