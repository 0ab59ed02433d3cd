"""The responses of one session: at most one in the conversation, any number beside it. `now` is seconds."""

from typing import Any

from msgspec import json

from bridge.simulators.openai.checks import Refusal
from bridge.simulators.openai.cues import Cues
from bridge.simulators.openai.items import Item, Items, Tokens, text_tokens
from bridge.simulators.openai.performance import Performance
from bridge.simulators.openai.responses import Response
from bridge.simulators.openai.script import Reply, Script
from bridge.simulators.openai.session import FORMATS, Session
from bridge.simulators.openai.wire import Wire


class Stage:
    """Where replies are given. What may not be done raises `Refusal`."""

    def __init__(self, script: Script, number: int, wire: Wire, session: Session, items: Items) -> None:
        self.cues = Cues(script)
        self._script = script
        self._number = number
        self._wire = wire
        self._session = session
        self._items = items
        self._responses: list[Response] = []
        self._prompt = Tokens(0, 0)  # of the last response: so much is cached

    @property
    def active(self) -> Response | None:
        """The response of the conversation that is under way."""
        return next((one for one in self._responses if one.in_conversation and one.active), None)

    def deadline(self) -> float | None:
        return min((at for one in self._responses if (at := one.deadline()) is not None), default=None)

    def due(self, now: float) -> None:
        for response in self._responses:
            response.due(now)
        self._responses = [response for response in self._responses if response.active]

    def create(self, asked: dict[str, Any], now: float) -> None:
        """A response, as `asked` for; the server's own ask for nothing special."""
        instructions = asked.get("instructions", "")
        if asked.get("conversation") == "none":
            given = [text for body in asked.get("input", []) for text in Item({"id": "", **body}).texts]
            self._give(self.cues.instructed(instructions or " ".join(given)), asked, now)
            return
        if (active := self.active) is not None:
            raise Refusal(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {active.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        self._give(self.cues.reply(instructions), asked, now)

    def _give(self, reply: Reply, asked: dict[str, Any], now: float) -> None:
        session = self._session.body
        output = session["audio"]["output"] | asked.get("audio", {}).get("output", {})
        options = {
            "conversation": asked.get("conversation", "auto"),
            "metadata": asked.get("metadata"),
            "output_modalities": asked.get("output_modalities", session["output_modalities"]),
            "max_output_tokens": asked.get("max_output_tokens", session["max_output_tokens"]),
            "audio": {key: output[key] for key in ("format", "voice")},
        }
        performance = Performance(self._script, reply, self._number, FORMATS[output["format"]["type"]])
        cached, self._prompt = self._prompt, self._prompt_of(asked)
        self._responses.append(
            Response(performance, self._wire, self._items, options, self._prompt, cached, now)
        )

    def _prompt_of(self, asked: dict[str, Any]) -> Tokens:
        """All that the model reads again: instructions, tools, the conversation."""
        session = self._session.body
        items = self._items.tokens()
        instructions = asked.get("instructions", session["instructions"])
        tools = json.encode(asked.get("tools", session["tools"])).decode()
        return Tokens(items.text + text_tokens(instructions) + text_tokens(tools), items.audio)

    def cancel(self, name: str | None) -> None:
        """The response of this name, or the one of the conversation."""
        for response in self._responses:
            if response.active and (response.id == name if name else response.in_conversation):
                response.cancel("client_cancelled", self._script.leftovers)
                return
        raise Refusal("response_cancel_not_active", "Cancellation failed: no active response found")

    def interrupt(self) -> None:
        """The caller speaks: the response of the conversation is cut off, if there is one."""
        if (active := self.active) is not None:
            active.cancel("turn_detected", self._script.leftovers)
