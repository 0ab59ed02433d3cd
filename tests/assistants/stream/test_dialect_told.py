"""What an operator tells an assistant of the stream protocol."""

from typing import TYPE_CHECKING

import pytest

from bridge.vocabulary.commands import TellAssistant

if TYPE_CHECKING:
    from tests.assistants.stream.conftest import Dial


@pytest.mark.parametrize("responds", [True, False])
def test_it_is_told(dial: "Dial", responds: bool) -> None:
    told = {"type": "tell", "text": "Offer a free month.", "respond": responds}
    dial().open().play([(1.0, TellAssistant("Offer a free month.", responds=responds), [told])])
