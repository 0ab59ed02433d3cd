"""The script of the simulated OpenAI server: what it says, when, and with which faults. TOML; every key is optional.

    speed = 5.0              # how many times faster audio is sent than it plays; 0: all at once
    first_audio_s = 0.25     # from the beginning of a response to its first audio
    seed = 1                 # of the random sizes of the deltas
    leftovers = 2            # how many deltas still come after a response was cancelled
    echo = true              # in place of replies to turns: the caller's audio comes back, delta by append; default false
    greeting = "Hello, how can I help you?"       # said if the instructions have no words in quotes
    heard = ["I'd like to come in on Friday."]    # the transcripts of the caller's turns, in turn

    [[replies]]              # without an `on_...`: replies to the caller's turns, in turn
    say = "One moment, please."                   # or several items: ["One.", "Two."]
    calls = [{ name = "book", arguments = '{"day": "friday"}' }, { name = "price", arguments = '{"broken' }]

    [[replies]]
    on_output = "book"       # after the output of this tool; "": of any tool
    say = "It is done. See you on Friday."

    [[replies]]
    on_text = "4 2"          # after a text item that contains this (an entry from the keypad)
    audio = "menu.wav"       # in the folder of the script

    [[replies]]
    on_instructions = ""     # for a response.create with instructions that contain this; "": any
    faults = { close = 1011, after_ms = 800 }     # without `say`: the words in quotes in the instructions

    [[replies]]
    seconds = 98             # length of the speech; here a megabyte of mu-law in base64
    faults = { burst = true }

    [[replies]]
    with_tool = "accept"     # only in sessions that have this tool; connections = [2]: only in the second session
    calls = [{ name = "accept" }]

    [[faults]]               # of a whole connection
    connections = 1          # the first only; [2]: the second only; left out: all
    refuse = 429             # the upgrade, with this HTTP status

    [[faults]]
    connections = [2]
    fail = "rate_limit_exceeded"                  # every response fails ...
    fail_for_s = 3.0                              # ... for so long, from the first one
    message = "Rate limit reached. Please try again in {left_s}s."

    [[faults]]
    connections = [3]
    call_id = "call_1"       # of every tool call, as some other servers have it; "": none

Replies of one kind are used in turn, and again from the first after the last. The fields of `ReplyFaults` and
`SessionFaults` describe each fault.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from bridge.config.audio_file import read_wav
from bridge.settings.table import Section
from bridge.simulators import scripts
from bridge.simulators.scripts import ConnectionFaults, Which, merged, one_or_several

FormatName = Literal["audio/pcm", "audio/pcmu", "audio/pcma"]

CloseCode = int
"""As in RFC 6455, section 7.4. 1006: the connection breaks without a close frame."""


class ReplyFaults(ConnectionFaults):
    """Faults of one reply. `close`, `mute`, `fail` and `error` happen when `after_ms` of its audio were sent.

    If the reply has less audio they happen in the middle of its first tool call, or else just before its end.
    """

    after_ms: int = Field(500, ge=0)
    close: CloseCode | None = Field(None, ge=1000, le=4999)
    mute: bool = Field(False, description="send nothing any more, on an open connection")
    fail: str | None = Field(None, description="response.done is `failed`, with this code")
    message: str | None = Field(
        None, description="the message of `fail` and `error`, in place of the usual one"
    )
    error: str | None = Field(
        None, description="an error event with this code; the reply goes on, unless it fails"
    )
    bad_delta: bool = Field(False, description="one more delta, which is not base64")
    burst: bool = Field(False, description="all deltas at once")
    one_delta: bool = Field(False, description="all audio of an item in one delta")


class SessionFaults(ConnectionFaults):
    """Faults of one connection. Times are seconds from its opening."""

    refuse: int | None = Field(None, ge=400, le=599, description="refuse the upgrade with this HTTP status")
    silent: bool = Field(False, description="accept the connection and never send anything")
    mute_after_s: float | None = Field(
        None, ge=0, description="send nothing from then on; 0: only session.created"
    )
    input_format: FormatName | None = Field(None, description="confirm it, whatever was asked for")
    output_format: FormatName | None = Field(None, description="confirm and use it, whatever was asked for")
    beta: bool = Field(False, description="use the names and shapes of the beta API, and accept them")
    item_added: bool = Field(True, description="false: no conversation.item.added, nor .done or .created")
    call_id: str | None = Field(
        None, description="every tool call has this call_id; empty: they have none that could be used"
    )
    fail: str | None = Field(
        None, description="responses in the conversation fail with this code; the reply is not used up"
    )
    fail_for_s: float | None = Field(
        None, gt=0, description="how long they fail, from the first one; left out: always"
    )
    fail_as: Literal["response", "error", "unnamed_error"] = Field(
        "response",
        description="response: response.done is `failed`; error: an error event in place of the response; "
        "unnamed_error: one that does not name the client's event",
    )
    message: str | None = Field(
        None,
        description="the message of `fail`, in place of the usual one; {left_s} stands for the seconds that are left",
    )
    unknown_every: int | None = Field(
        None, ge=1, description="send an event of an unknown type after so many events"
    )
    expires_s: float = Field(3600.0, gt=0, description="session.expires_at, and a close with 1001 then")
    close: CloseCode | None = Field(None, ge=1000, le=4999)
    close_after_s: float = Field(0.0, ge=0)
    stall_s: float = Field(0.0, ge=0, description="how long to stop reading")
    stall_after_s: float = Field(0.0, ge=0)


class ScriptedToolCall(Section):
    """A tool call of a reply. `arguments`: sent as they are, valid JSON or not."""

    name: str
    arguments: str = "{}"


class ScriptedReply(Section):
    """What is sent in one response: speech first, one item for each `say`, then the tool calls.

    `connections`, `with_tool`: only on these connections, and only while the session has a tool of this name.
    """

    on_text: str | None = None
    on_output: str | None = None
    on_instructions: str | None = None
    connections: Which = None
    with_tool: str | None = None
    say: tuple[str, ...] = ()
    audio: Path | None = None
    seconds: float | None = Field(None, gt=0, le=600)
    calls: tuple[ScriptedToolCall, ...] = ()
    speed: float | None = Field(None, ge=0)
    first_audio_s: float | None = Field(None, ge=0)
    incomplete: Literal["max_output_tokens", "content_filter"] | None = None
    faults: ReplyFaults = ReplyFaults()

    @field_validator("say", mode="before")
    @classmethod
    def _one_or_several(cls, say: Any) -> Any:
        return (say,) if isinstance(say, str) else say

    @model_validator(mode="after")
    def _has_one_cue(self) -> "ScriptedReply":
        if sum(cue is not None for cue in (self.on_text, self.on_output, self.on_instructions)) > 1:
            raise ValueError("should have one of on_text, on_output and on_instructions, or none")
        return self

    @property
    def is_plain(self) -> bool:
        """Whether it is a reply to the caller's turns, without an `on_...`."""
        return self.on_text is None and self.on_output is None and self.on_instructions is None

    @property
    def speaks(self) -> bool:
        return bool(self.say or self.audio or self.seconds)


CHEERFUL = (
    ScriptedReply(
        say=("Hello there! You have reached a voice that was made up for trying things out, and it works.",)
    ),
    ScriptedReply(
        say=("That is good to hear! Please tell me a little more, I am listening and have all day.",)
    ),
    ScriptedReply(
        say=("Wonderful! I have written that down. You may interrupt me at any time, go on and try it.",)
    ),
)
"""The replies to the caller's turns, if the script has none."""


class OpenAIScript(Section):
    """The script; the module's docstring describes its keys."""

    speed: float = Field(5.0, ge=0)
    first_audio_s: float = Field(0.25, ge=0)
    seed: int = 1
    leftovers: int = Field(2, ge=0)
    echo: bool = False
    greeting: str = "Hello, how can I help you?"
    heard: tuple[str, ...] = Field(("(what the caller said)",), min_length=1)
    replies: tuple[ScriptedReply, ...] = ()
    faults: tuple[SessionFaults, ...] = ()

    @field_validator("faults", mode="before")
    @classmethod
    def _one_or_several(cls, faults: Any) -> Any:
        return one_or_several(faults)

    def faults_of(self, number: int) -> SessionFaults:
        """The faults of the connection of this number, from all tables that include it."""
        return merged(SessionFaults, (table for table in self.faults if table.concern(number)))


def parse_script(text: str, folder: Path = Path(), name: str = "script") -> OpenAIScript:
    """Read a script. `folder`: of its recordings. Raises `ConfigurationError` with `name`, the key, and what was expected."""
    script = scripts.parse(OpenAIScript, text, name)
    return script.model_copy(update={"replies": tuple(_located(reply, folder) for reply in script.replies)})


def read_script(path: Path) -> OpenAIScript:
    """Read a script's file. Raises `ConfigurationError` as `parse_script` does, and if a file cannot be read."""
    return scripts.read(path, parse_script)


def _located(reply: ScriptedReply, folder: Path) -> ScriptedReply:
    if reply.audio is None:
        return reply
    read_wav(folder / reply.audio)
    return reply.model_copy(update={"audio": folder / reply.audio})
