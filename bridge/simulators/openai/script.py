"""The script of the fake: what it says, when, and with which faults. TOML; every key may be left out.

    speed = 5.0              # audio comes so many times faster than it plays; 0: all at once
    first_audio_s = 0.25     # from the beginning of a response to its first audio
    seed = 1                 # of the sizes of the deltas, which are uneven
    leftovers = 2            # deltas that still come after a response was cancelled
    greeting = "Hello, how can I help you?"       # said when instructed without words in quotes
    heard = ["I'd like to come in on Friday."]    # the transcripts of the caller's turns, in turn

    [[replies]]              # without an `on_...`: the caller's turns, in turn
    say = "One moment, please."                   # or several items: ["One.", "Two."]
    calls = [{ name = "book", arguments = '{"day": "friday"}' }, { name = "price", arguments = '{"broken' }]

    [[replies]]
    on_output = "book"       # after a call of this tool was answered; "" is any
    say = "It is done. See you on Friday."

    [[replies]]
    on_text = "4 2"          # after a text item with these words in it (an entry from the keypad)
    audio = "menu.wav"       # beside the script

    [[replies]]
    on_instructions = ""     # a response.create with instructions, with these words in them; "" is any
    faults = { close = 1011, after_ms = 800 }     # without `say`: what the instructions have in quotes

    [[replies]]
    seconds = 98             # so much voice; a megabyte of mu-law in base64
    faults = { burst = true }

    [[faults]]               # of a whole connection
    connections = 1          # the first one only; [2] the second only; left out: all
    refuse = 429             # the upgrade

Replies of one kind are used in turn, and begin again after the last. What a fault is, its field below tells.
"""

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from bridge.config.audio_file import read_wav
from bridge.settings.faults import describe, faults_in
from bridge.settings.table import Section
from bridge.vocabulary.errors import ConfigurationError

FormatName = Literal["audio/pcm", "audio/pcmu", "audio/pcma"]

CloseCode = int
"""As in RFC 6455, 7.4. 1006: cut off, without a word."""


class Faults(Section):
    """`connections`: which suffer it, counted from 1: the first so many, or those in the list; None: all."""

    connections: int | list[int] | None = None

    def strike(self, number: int) -> bool:
        """Whether the connection of this number suffers."""
        match self.connections:
            case None:
                return True
            case int(first):
                return number <= first
            case listed:
                return number in listed


class ReplyFaults(Faults):
    """Of one reply. `close`, `mute`, `fail` and `error` come once `after_ms` of its audio were sent.

    Where it has less audio than that they come in the middle of its first call, or else just before its end.
    """

    after_ms: int = Field(500, ge=0)
    close: CloseCode | None = Field(None, ge=1000, le=4999)
    mute: bool = Field(False, description="nothing is sent any more, on a connection that stands")
    fail: str | None = Field(None, description="response.done is `failed`, with this code")
    error: str | None = Field(
        None, description="an error event with this code; the reply goes on, unless it fails"
    )
    bad_delta: bool = Field(False, description="one delta more, which is not base64")
    burst: bool = Field(False, description="all deltas at once")
    one_delta: bool = Field(False, description="all audio of an item in one delta")


class SessionFaults(Faults):
    """Of one connection. Times are seconds from its opening."""

    refuse: int | None = Field(None, ge=400, le=599, description="the HTTP status that the upgrade gets")
    silent: bool = Field(False, description="accepts and never says a word")
    mute_after_s: float | None = Field(
        None, ge=0, description="says no more from then on; 0: only session.created"
    )
    input_format: FormatName | None = Field(None, description="confirmed, whatever was asked for")
    output_format: FormatName | None = Field(None, description="confirmed and spoken, whatever was asked for")
    beta: bool = Field(False, description="speaks the names and shapes of the beta, and accepts them too")
    item_added: bool = Field(True, description="false: no conversation.item.added, nor .done or .created")
    unknown_every: int | None = Field(
        None, ge=1, description="an event of an unknown type after so many events"
    )
    expires_s: float = Field(3600.0, gt=0, description="session.expires_at, and a close with 1001 then")
    close: CloseCode | None = Field(None, ge=1000, le=4999)
    close_after_s: float = Field(0.0, ge=0)
    stall_s: float = Field(0.0, ge=0, description="reads nothing for so long")
    stall_after_s: float = Field(0.0, ge=0)


class Call(Section):
    """A tool that the model calls. `arguments`: sent as they are, be they JSON or not."""

    name: str
    arguments: str = "{}"


class Reply(Section):
    """What is done in one response: speech first, one item for each `say`, then the calls."""

    on_text: str | None = None
    on_output: str | None = None
    on_instructions: str | None = None
    say: tuple[str, ...] = ()
    audio: Path | None = None
    seconds: float | None = Field(None, gt=0, le=600)
    calls: tuple[Call, ...] = ()
    speed: float | None = Field(None, ge=0)
    first_audio_s: float | None = Field(None, ge=0)
    incomplete: Literal["max_output_tokens", "content_filter"] | None = None
    faults: ReplyFaults = ReplyFaults()

    @field_validator("say", mode="before")
    @classmethod
    def _one_or_several(cls, say: Any) -> Any:
        return (say,) if isinstance(say, str) else say

    @model_validator(mode="after")
    def _has_one_cue(self) -> "Reply":
        if sum(cue is not None for cue in (self.on_text, self.on_output, self.on_instructions)) > 1:
            raise ValueError("should have one of on_text, on_output and on_instructions, or none")
        return self

    @property
    def is_plain(self) -> bool:
        """Whether it waits for nothing but its turn."""
        return self.on_text is None and self.on_output is None and self.on_instructions is None

    @property
    def speaks(self) -> bool:
        return bool(self.say or self.audio or self.seconds)


CHEERFUL = (
    Reply(
        say=("Hello there! You have reached a voice that was made up for trying things out, and it works.",)
    ),
    Reply(say=("That is good to hear! Please tell me a little more, I am listening and have all day.",)),
    Reply(say=("Wonderful! I have written that down. You may interrupt me at any time, go on and try it.",)),
)
"""What is said to the caller's turns where the script says nothing."""


class Script(Section):
    """The whole file."""

    speed: float = Field(5.0, ge=0)
    first_audio_s: float = Field(0.25, ge=0)
    seed: int = 1
    leftovers: int = Field(2, ge=0)
    greeting: str = "Hello, how can I help you?"
    heard: tuple[str, ...] = Field(("(what the caller said)",), min_length=1)
    replies: tuple[Reply, ...] = ()
    faults: tuple[SessionFaults, ...] = ()

    @field_validator("faults", mode="before")
    @classmethod
    def _one_or_several(cls, faults: Any) -> Any:
        return (faults,) if isinstance(faults, dict | SessionFaults) else faults

    def faults_of(self, number: int) -> SessionFaults:
        """What the connection of this number suffers, all tables that name it taken together."""
        struck = [faults for faults in self.faults if faults.strike(number)]
        return SessionFaults(
            **{key: getattr(faults, key) for faults in struck for key in sorted(faults.model_fields_set)}
        )


def parse_script(text: str, folder: Path = Path(), name: str = "script") -> Script:
    """`folder`: where its recordings are. Raises `ConfigurationError`, with `name`, the key and what would be right."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{name}: {error}") from None
    try:
        script = Script.model_validate(table)
    except ValidationError as error:
        faults = faults_in(error, table)
        raise ConfigurationError("\n".join(f"{name}: {describe(fault)}" for fault in faults)) from None
    return script.model_copy(update={"replies": tuple(_located(reply, folder) for reply in script.replies)})


def read_script(path: Path) -> Script:
    """Raises `ConfigurationError` as `parse_script` does, also where a recording cannot be read."""
    try:
        return parse_script(path.read_text(encoding="utf-8"), path.parent, str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None


def _located(reply: Reply, folder: Path) -> Reply:
    if reply.audio is None:
        return reply
    read_wav(folder / reply.audio)
    return reply.model_copy(update={"audio": folder / reply.audio})
