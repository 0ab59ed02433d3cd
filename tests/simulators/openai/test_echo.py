"""The simulated model as an echo: frame by frame, in one item of one response."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulators.openai.conftest import Peer


def test_each_frame_comes_back_at_once(peer: "Callable[..., Peer]") -> None:
    call = peer("echo = true", declared=False)
    first, second = call.append(b"\x10" * 160), call.append(b"\x20" * 160)
    assert first.types() == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.output_audio.delta",
    ]
    assert first.audio() == b"\x10" * 160
    assert second.types() == ["response.output_audio.delta"]
    assert second.audio() == b"\x20" * 160
    item = second.one("response.output_audio.delta")["item_id"]
    assert item == first.one("response.output_item.added")["item"]["id"]


def test_speech_starts_no_turn_and_the_echo_can_be_truncated(peer: "Callable[..., Peer]") -> None:
    call = peer("echo = true", declared=False)
    assert call.say_sentence().types()[-1] == "response.output_audio.delta"
    assert not call.sent.all("input_audio_buffer.speech_started")
    item = call.sent.one("response.output_item.added")["item"]["id"]
    sent = call.send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=1_000)
    assert sent.types() == ["conversation.item.truncated"]
