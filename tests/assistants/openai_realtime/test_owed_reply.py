"""When a Realtime server owes a response. Servers of one's own run the model in their event loop, too."""

from typing import TYPE_CHECKING

from bridge.assistants.openai_realtime.dialect import RealtimeDialect
from bridge.assistants.openai_realtime.settings import RealtimeSettings
from bridge.vocabulary.commands import OpenAssistant
from telecodecs.format import PCMU_8K

if TYPE_CHECKING:
    from tests.assistants.openai_realtime.conftest import Dial


def test_from_the_end_of_the_turn_to_the_end_of_the_response(dial: "Dial") -> None:
    line = dial(reply_s=8)
    line.open()
    assert not line.dialect.is_reply_owed(0.0)
    line.now = 1.0
    line.hear("speech U1")
    assert not line.dialect.is_reply_owed(1.0), "the caller speaks"
    line.now = 2.0
    line.hear("pause U1")
    assert [line.dialect.is_reply_owed(at) for at in (2.0, 9.9, 10.0)] == [True, True, False]
    line.now = 5.0
    line.hear("created R1")
    line.hear("audio R1 A 20")
    assert line.dialect.is_reply_owed(12.9), "more of it should come"
    line.now = 6.0
    line.hear("done R1")
    assert not line.dialect.is_reply_owed(6.0)


def test_a_caller_who_goes_on_withdraws_nothing(dial: "Dial") -> None:
    line = dial(reply_s=8)
    line.open()
    line.now = 1.0
    line.hear("speech U1")
    line.hear("pause U1")
    line.now = 2.0
    line.hear("speech U2")
    assert line.dialect.is_reply_owed(8.9)


def test_the_answer_to_our_settings_is_owed() -> None:
    dialect = RealtimeDialect(RealtimeSettings(api_key="k"))
    dialect.encode(OpenAssistant("CA1", PCMU_8K), 0.0)
    assert dialect.is_reply_owed(4.0), "the limit is open_s"
