"""Where a carrier takes the caller by itself, in the settings: an entry of people.NAME.to that is a table."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from bridge.core.elsewhere import Elsewhere
from bridge.settings.table import Section

_SIP = re.compile(r"sips?:[^\s@<>\"]+@[^\s@<>\"]+", re.ASCII)


def _checked_sip(text: str) -> str:
    if not _SIP.fullmatch(text):
        raise ValueError("should be an address such as sip:ann@pbx.example.com")
    return text


class ElsewhereSettings(Section):
    """One of its keys: { twilio_queue = "support" }, { telnyx_queue = "support" }, { sip_refer = "sip:…" }."""

    twilio_queue: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="A queue of Twilio's, by name, which is made if there is none; or a workflow of TaskRouter's, WW…",
    )
    telnyx_queue: str | None = Field(
        None, min_length=1, max_length=64, description="A queue of Telnyx's, by name"
    )
    sip_refer: Annotated[str, AfterValidator(_checked_sip)] | None = Field(
        None, description="A sip: address that the caller's telephone is to call in place of us, by SIP REFER"
    )

    @model_validator(mode="after")
    def _check_one(self) -> "ElsewhereSettings":
        if sum(value is not None for value in (self.twilio_queue, self.telnyx_queue, self.sip_refer)) != 1:
            raise ValueError("should have one of twilio_queue, telnyx_queue and sip_refer")
        return self

    @property
    def elsewhere(self) -> Elsewhere:
        """The same in the core's terms."""
        if self.twilio_queue is not None:
            return Elsewhere("queue", self.twilio_queue, "twilio")
        if self.telnyx_queue is not None:
            return Elsewhere("queue", self.telnyx_queue, "telnyx")
        return Elsewhere("refer", self.sip_refer or "")

    @property
    def key(self) -> str:
        """The key that is set."""
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)
