"""The settings of one call: templates filled with what is known of it, and what the address of [before_call] added."""

from typing import Any, NamedTuple

from bridge.assistants.openai_realtime.settings import RealtimeSettings
from bridge.assistants.shared.settings import Greeting
from bridge.assistants.shared.templates import data_note, filled
from bridge.vocabulary.call_facts import CallContext, Facts


class CallSettings(NamedTuple):
    """`character`: what the model is told before each scripted response."""

    settings: RealtimeSettings
    character: str


def call_settings(settings: RealtimeSettings, context: CallContext) -> CallSettings:
    """The assistant's settings for a call.

    The note that tells the model which words are data stands behind the instructions. Without any it is told before
    scripted responses alone: instructions of ours would take the place of those of a stored prompt, or of the server's.
    """
    facts = context.facts
    note = data_note((text for _, text in settings.templates()), facts)
    instructions = _joined(filled(settings.instructions, facts), context.instructions)
    character = _joined(instructions, note)
    changed = {
        "instructions": character if instructions else "",
        "greeting": _greeting(settings.greeting, context),
        "prompt": settings.prompt
        and settings.prompt.model_copy(update={"variables": _variables(settings.prompt.variables, facts)}),
    }
    return CallSettings(settings.model_copy(update=changed), character)


def _greeting(greeting: Greeting | None, context: CallContext) -> Greeting | None:
    if context.greeting:
        interruptible = greeting is not None and greeting.interruptible
        return Greeting.model_construct(say=context.greeting, instructions=None, interruptible=interruptible)
    if greeting is None:
        return None
    texts = {"say": greeting.say, "instructions": greeting.instructions}
    return greeting.model_copy(
        update={name: text and filled(text, context.facts) for name, text in texts.items()}
    )


def _variables(variables: dict[str, Any] | None, facts: Facts) -> dict[str, Any] | None:
    return variables and {
        name: filled(value, facts) if isinstance(value, str) else value for name, value in variables.items()
    }


def _joined(*texts: str) -> str:
    return "\n\n".join(text for text in texts if text)
