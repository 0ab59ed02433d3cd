"""Tables of settings that any assistant with a language model may have: what the bridge has it say, and keypad entries."""

from collections.abc import Callable
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from bridge.assistants.shared.templates import Template
from bridge.settings.table import Section


def none_if_false(value: Any) -> Any:
    """`false` in the settings' file or in the environment, as None."""
    return None if value is False or value == "false" else value


def as_table(key: str) -> Callable[[Any], Any]:
    """A validator: a text in place of a table is read as the table `{key: text}`."""
    return lambda value: {key: value} if isinstance(value, str) else value


def read_text_file(file: Path) -> str:
    """The text of a file in UTF-8. Raises ValueError if it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{error.strerror}; should be a text file") from None
    except UnicodeDecodeError:
        raise ValueError("should be a text file in UTF-8") from None


def _check_template(text: str) -> str:
    try:
        fields = {field for _, field, _, _ in Formatter().parse(text)} - {None}
    except ValueError:
        fields = set()
    if fields != {"digits"}:
        raise ValueError("should say where the digits go, {digits}, and have no other braces")
    return text


class Greeting(Section):
    """What the assistant opens the call with: words, or instructions to find words."""

    say: Template | None = Field(None, min_length=1, description="The words of the greeting")
    instructions: Template | None = Field(
        None, min_length=1, description="Instructions by which the model finds the words"
    )
    interruptible: bool = Field(
        False, description="The model hears the caller during the greeting, and may be interrupted"
    )

    @model_validator(mode="after")
    def _check_one_of_two(self) -> "Greeting":
        if (self.say is None) == (self.instructions is None):
            raise ValueError("should have say or instructions, one of the two")
        return self


class Filler(Section):
    """What the caller hears while a tool takes its time. `false` turns it off."""

    say: str = Field("One moment, please.", min_length=1, description="The words")
    after_s: Annotated[float | None, BeforeValidator(none_if_false)] = Field(
        2.0, gt=0, description="How long a tool may take before the words are said. false: they never are"
    )


def _filler(value: Any) -> Any:
    return {"after_s": None} if none_if_false(value) is None else as_table("say")(value)


FillerOrFalse = Annotated[Filler, BeforeValidator(_filler)]


class Dtmf(Section):
    """What becomes of an entry from the keypad: an item and a response, appended silence, or nothing."""

    respond: Literal["create", "silence", "none"] = Field(
        "create",
        description="create: the model is told of the entry and answers. silence: it is told, then silence is sent to "
        "end the turn. none: it is told",
    )
    text: Annotated[str, AfterValidator(_check_template)] = Field(
        "The caller typed on the keypad: {digits}", description="What the model is told"
    )
