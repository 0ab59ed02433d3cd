"""The messages of an assistant in the stream protocol, kind by kind.

Wire: docs/stream-assistants.md; `type` is the kind. Unknown fields are refused, so that a misspelt field is not taken for
one that was left out. Times are ms in `_ms`, seconds in `_s`; audio is base64 on the wire and bytes here.
"""

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

from bridge.assistants.stream.formats import WireFormat

VERSION = 1

Name = Annotated[str, Meta(min_length=1, max_length=128)]
Position = Annotated[int, Meta(ge=0)]


class _Wire(Struct, tag_field="type", forbid_unknown_fields=True):
    """A message, with its kind under `type`."""


class Hello(_Wire, tag="hello"):
    """The assistant is ready, and chooses formats. None: the first on offer."""

    version: int = VERSION
    hears: WireFormat | None = None
    speaks: WireFormat | None = None
    audio: Literal["binary", "base64"] = "binary"
    turns: Literal["bridge", "assistant"] = "bridge"
    keys: Literal["each", "entries", "both", "none"] = "entries"


class Audio(_Wire, tag="audio"):
    """Reply audio; base64 on the wire."""

    audio: bytes


class Reply(_Wire, tag="reply"):
    """The audio and words that follow belong to a new item."""

    item: Name | None = None


class ReplyEnd(_Wire, tag="reply_end"):
    """The open item is complete."""


class Said(_Wire, tag="said"):
    """The words of the assistant, or of the caller as the assistant understood them."""

    who: Literal["assistant", "caller"]
    text: str
    item: Name | None = None


class Interrupt(_Wire, tag="interrupt"):
    """The caller speaks: stop playing."""

    at_ms: Position | None = None


class SpeechStopped(_Wire, tag="speech_stopped"):
    """The caller has finished speaking."""

    at_ms: Position | None = None


class CollectDigits(_Wire, tag="collect_digits"):
    """Collect an entry from the keypad."""

    id: Name
    length: Annotated[int, Meta(ge=1, le=128)] | None = None
    terminator: Annotated[str, Meta(pattern=r"^[0-9*#A-D]*$", max_length=16)] | None = None
    timeout_s: Annotated[float, Meta(gt=0, le=3600)] | None = None
    sensitive: bool = False


class SendDigits(_Wire, tag="send_digits"):
    """Press keys of the telephone, for the far end."""

    keys: Annotated[str, Meta(pattern=r"^[0-9*#A-DwW]+$", max_length=128)]


class CallTool(_Wire, tag="call_tool"):
    """Run a tool of the settings."""

    id: Name
    tool: str
    arguments: Raw = Raw(b"{}")


class Outcome(_Wire, tag="outcome"):
    """What came of the call, in a word or two."""

    outcome: Annotated[str, Meta(min_length=1, max_length=100)]


class Transfer(_Wire, tag="transfer"):
    """Put the caller through to a person of the settings, once they have heard everything."""

    id: Name
    person: Annotated[str, Meta(min_length=1, max_length=64)]
    why: Annotated[str, Meta(max_length=2_000)] = ""
    summary: Annotated[str, Meta(max_length=2_000)] = ""


class Accept(_Wire, tag="accept"):
    """In a briefing: the person takes the call."""


class Decline(_Wire, tag="decline"):
    """In a briefing: the person does not take the call."""

    why: Annotated[str, Meta(max_length=500)] = ""


class Note(_Wire, tag="note"):
    """A line for the journal."""

    text: Annotated[str, Meta(max_length=10_000)]


class HangUp(_Wire, tag="hang_up"):
    """End the call, once the caller has heard everything."""

    why: Annotated[str, Meta(max_length=500)] = ""


class ErrorReport(_Wire, tag="error"):
    """The assistant reports an error in what it was sent."""

    why: Annotated[str, Meta(max_length=10_000)] = ""


FromAssistant = (
    Hello
    | Audio
    | Reply
    | ReplyEnd
    | Said
    | Interrupt
    | SpeechStopped
    | CollectDigits
    | SendDigits
    | CallTool
    | Transfer
    | Accept
    | Decline
    | Note
    | Outcome
    | HangUp
    | ErrorReport
)
