"""When a turn-based assistant owes a reply over its WebSocket."""

from typing import TYPE_CHECKING

from bridge.assistants.turn_based.dialect import TurnBasedDialect
from bridge.assistants.turn_based.settings import TurnBasedSettings
from bridge.vocabulary.commands import ConfirmHeard, OpenAssistant
from telecodecs.format import PCMU_8K

if TYPE_CHECKING:
    from tests.assistants.turn_based.conftest import Dial


def test_from_the_end_of_the_utterance_to_the_reply(dial: "Dial") -> None:
    line = dial(reply_s=8)
    line.open()
    assert not line.dialect.is_reply_owed(0.0), "it is the caller's turn"
    line.now = 1.0
    line.hear("end")
    assert [line.dialect.is_reply_owed(at) for at in (1.0, 8.9, 9.0)] == [True, True, False]
    line.now = 5.0
    line.hear("reply 500")
    assert not line.dialect.is_reply_owed(5.0)
    line.tell(ConfirmHeard("reply-1"))
    assert not line.dialect.is_reply_owed(5.0)


def test_a_reply_that_did_not_come_is_owed_no_longer(dial: "Dial") -> None:
    line = dial(reply_s=8)
    line.open()
    line.hear("end")
    line.pass_to(8.0)
    assert not line.dialect.is_reply_owed(8.0)


def test_a_connection_that_is_not_open_is_not_dead() -> None:
    dialect = TurnBasedDialect(TurnBasedSettings(url="ws://assistant"))
    dialect.encode(OpenAssistant("CA1", PCMU_8K), 0.0)
    assert dialect.is_reply_owed(4.0)
