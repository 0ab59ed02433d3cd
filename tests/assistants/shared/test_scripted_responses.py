"""What the bridge has an assistant say, with and without a character."""

import pytest

from bridge.assistants.shared.scripted_responses import Purpose, ScriptedResponse, ScriptedResponses
from bridge.assistants.shared.settings import Greeting

SAY_HELLO = 'Say exactly this and nothing else: "Hello."'

RESPONSES = [
    (ScriptedResponses("Be kind.").recovery("Hello."), Purpose.RECOVERY, f"Be kind.\n\n{SAY_HELLO}", False),
    (ScriptedResponses("").recovery("Hello."), Purpose.RECOVERY, SAY_HELLO, False),
    (ScriptedResponses("").greeting(Greeting(say="Hello.")), Purpose.GREETING, SAY_HELLO, False),
    (
        ScriptedResponses("Be kind.").greeting(Greeting(instructions="Greet.")),
        Purpose.GREETING,
        "Be kind.\n\nGreet.",
        True,
    ),
    (ScriptedResponses("").prompt("Hello."), Purpose.PROMPT, SAY_HELLO, False),
    (ScriptedResponses("").farewell("Say adieu."), Purpose.FAREWELL, "Say adieu.", False),
    (ScriptedResponses("").filler("Hello."), Purpose.FILLER, SAY_HELLO, False),
]


@pytest.mark.parametrize(("response", "purpose", "instructions", "may_call_tools"), RESPONSES)
def test_responses(
    response: ScriptedResponse, purpose: Purpose, instructions: str, may_call_tools: bool
) -> None:
    assert response == ScriptedResponse(purpose, instructions, may_call_tools)
