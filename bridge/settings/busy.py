"""The table [busy]: what the caller of a refused call hears."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from bridge.settings.table import Section, WebAddress

LONGEST_SAY = 3_000
"""Characters. Twilio speaks 4,096, Telnyx 3,000."""


def _checked_words(text: str) -> str:
    if not text.strip() or any(not (letter.isprintable() or letter in "\n\t") for letter in text):
        raise ValueError("should be words, without control characters")
    return text


Words = Annotated[str, Field(max_length=LONGEST_SAY), AfterValidator(_checked_words)]


class BusySettings(Section):
    """[busy]. By default the caller hears the busy tone, and the call is not answered."""

    say: Words | None = Field(
        None,
        description="Words that the carrier speaks to the caller of a refused call before it hangs up. Not set: the busy "
        "tone, for which the call is not answered",
    )
    voice: Words | None = Field(
        None, description="The carrier's voice that speaks `say`, by the carrier's name for it"
    )
    language: Words | None = Field(None, description="The language of `say`, such as de-DE")
    play: WebAddress | None = Field(
        None, description="In place of `say`: the address of a recording that the carrier plays"
    )
    redirect: WebAddress | None = Field(
        None,
        description="In place of `say`: the address of a document (TwiML, TeXML) with which the call goes on, such as "
        "another server's webhook",
    )

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        given = [name for name in ("say", "play", "redirect") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)}: should be one of them alone")
        if self.say is None and (self.voice is not None or self.language is not None):
            raise ValueError("voice and language are those of say, which is missing")
        return self
