"""The simulated model as an echo: each append is answered at once with a delta of the same audio.

All audio is one item of one response, which does not end. So a server between phone and model can be measured frame by
frame. There is no turn detection.
"""

from binascii import b2a_base64

from bridge.simulators.openai.event_writer import EventWriter
from bridge.simulators.openai.items import Item, Items
from telecodecs.format import AudioFormat


class Echo:
    """The echo of one session."""

    def __init__(self, writer: EventWriter, items: Items) -> None:
        self._writer = writer
        self._items = items
        self._item: Item | None = None
        self._head = ""

    def answer(self, audio: bytes, format: AudioFormat) -> None:
        """Send the audio back, which has this format."""
        item = self._item or self._begin()
        item.audio_ms += format.duration_ms(len(audio))
        self._writer.audio(self._head, b2a_base64(audio, newline=False).decode())

    def _begin(self) -> Item:
        response, name = self._writer.name("resp"), self._writer.name("item")
        body = {"id": name, "object": "realtime.item", "type": "message", "role": "assistant", "content": []}
        self._item = Item(body | {"status": "in_progress"})
        view = {"object": "realtime.response", "id": response, "status": "in_progress", "output": []}
        self._writer.event("response.created", response=view)
        self._writer.event(
            "response.output_item.added", response_id=response, output_index=0, item=self._item.body
        )
        before = self._items.insert(self._item)
        self._writer.event("conversation.item.added", previous_item_id=before, item=self._item.body)
        self._head = self._writer.audio_head(response, name, 0)
        return self._item
