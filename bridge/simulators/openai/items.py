"""Keeps the items of one conversation in order: they can be inserted, deleted and truncated.

Lengths of audio are milliseconds. Tokens are counted as OpenAI bills them: one for 100 ms of the caller's audio, one
for 50 ms of the model's, one for about four letters of text.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from bridge.simulators.openai.checks import RealtimeRefusal

CALLER_TOKEN_MS = 100
MODEL_TOKEN_MS = 50
TOKEN_LETTERS = 4


class Tokens(NamedTuple):
    """Numbers of tokens, by kind."""

    text: int
    audio: int


def text_tokens(text: str) -> int:
    return -(-len(text) // TOKEN_LETTERS)


@dataclass(slots=True)
class Item:
    """One item. `body`: as on the wire. `audio_ms`: length of its audio, the caller's or the model's."""

    body: dict[str, Any]
    audio_ms: float = 0.0

    @property
    def id(self) -> str:
        return str(self.body["id"])

    @property
    def is_models(self) -> bool:
        return self.body.get("role") == "assistant"

    @property
    def texts(self) -> list[str]:
        """All texts in the item: text, transcripts, arguments and outputs of tools."""
        parts = self.body.get("content", [])
        words = [part.get("text") or part.get("transcript") or "" for part in parts]
        return [*words, *(self.body.get(key, "") for key in ("arguments", "output"))]

    @property
    def whole_ms(self) -> int:
        """The length of the audio in whole milliseconds, without the rounding error of a sum of floats."""
        return int(self.audio_ms + 1e-6)

    def tokens(self) -> Tokens:
        audio = -(-self.audio_ms // (MODEL_TOKEN_MS if self.is_models else CALLER_TOKEN_MS))
        return Tokens(sum(text_tokens(text) for text in self.texts), int(audio))


class Items:
    """The items of one conversation. What is not possible raises `RealtimeRefusal` with OpenAI's code."""

    def __init__(self) -> None:
        self._items: list[Item] = []

    def __contains__(self, name: str) -> bool:
        return any(item.id == name for item in self._items)

    @property
    def last(self) -> str | None:
        """The id of the last item; None if there is none."""
        return self._items[-1].id if self._items else None

    @property
    def has_model_audio(self) -> bool:
        return any(item.is_models and item.audio_ms for item in self._items)

    @property
    def names(self) -> list[str]:
        return [item.id for item in self._items]

    def find(self, name: str, what: str) -> Item:
        """The item with this id. `what`: for the error, what it is needed for: retrieve, delete or truncate."""
        for item in self._items:
            if item.id == name:
                return item
        doing = {"retrieve": "retrieving", "delete": "deleting", "truncate": "truncating"}[what]
        message = f"Error {doing} item: the item with id '{name}' does not exist."
        raise RealtimeRefusal(f"item_{what}_invalid_item_id", message, "item_id")

    def insert(self, item: Item, after: str | None = None) -> str | None:
        """Insert an item after the one with the id `after` ("root": first, None: last).

        Returns the id of the item before it; None if it is the first.
        """
        if item.id in self:
            message = f"Error adding item: an item with id '{item.id}' already exists."
            raise RealtimeRefusal("item_create_duplicate_item_id", message, "item.id")
        if after is None:
            at = len(self._items)
        elif after == "root":
            at = 0
        elif after in self:
            at = self.names.index(after) + 1
        else:
            message = f"Error adding item: the previous item with id '{after}' does not exist."
            raise RealtimeRefusal("item_create_invalid_previous_item_id", message, "previous_item_id")
        self._items.insert(at, item)
        return self._items[at - 1].id if at else None

    def delete(self, name: str) -> None:
        self._items.remove(self.find(name, "delete"))

    def truncate(self, name: str, audio_end_ms: int) -> None:
        """Keep the audio up to there and drop the transcript, because nobody knows which of its words are left."""
        item = self.find(name, "truncate")
        if not item.is_models or not item.audio_ms:
            message = "Only model output audio messages can be truncated"
            raise RealtimeRefusal("unsupported_content_type", message, "item_id")
        if audio_end_ms > item.whole_ms:
            message = f"Audio content of {item.whole_ms}ms is already shorter than {audio_end_ms}ms"
            raise RealtimeRefusal("invalid_value", message, "audio_end_ms")
        item.audio_ms = float(audio_end_ms)
        for part in item.body["content"]:
            part["transcript"] = ""

    def tool_of(self, tool_call_id: str) -> str | None:
        """The name of the tool of this tool call, the last one if there are several; None if there is no such call.

        A call without a `call_id` goes by the id of its item.
        """
        for item in reversed(self._items):
            if item.body["type"] == "function_call" and (item.body.get("call_id") or item.id) == tool_call_id:
                return str(item.body["name"])
        return None

    def tokens(self) -> Tokens:
        counted = [item.tokens() for item in self._items]
        return Tokens(sum(tokens.text for tokens in counted), sum(tokens.audio for tokens in counted))
