"""The script of the simulated assistant: what it says, when, and with which faults. TOML; every key is optional.

    silence_ms = 500          # how much silence ends an utterance
    reply_s = 0.3             # from the end of an utterance to its reply
    greeting = "hello.wav"    # said first; recordings are in the folder of the script
    say = ["one.wav", "two.wav"]    # the replies, in turn; without it the assistant repeats what it hears
    reprompt = "still-there.wav"    # said after reprompt_s without speech, WebSocket only
    reprompt_s = 10
    prefix = "_MULAW"         # begins a reply; this and the next three are for the WebSocket only
    restart = "RESTART_COMMUNICATION"
    utterance_end = "SINGLE_UTTERANCE_END"
    entry_prefix = "_DTMF"    # begins an entry from the keypad, if the client sends them
    reply_as = "wav"          # over HTTP: wav, pcmu, l16, or json with a WAV in base64
    reply_rate_hz = 8000      # of wav, l16 and json; by default that of the request
    text = ["Good.", "Bye."]  # the words of the replies, in turn, with json only
    understood = ["Hello?"]   # the recognised words of the caller, in turn, with json only
    hang_up_turn = 3          # hang up with the reply to this turn, with json only

    [[faults]]
    connections = 1           # the first only; [2]: the second only; left out: all. Over HTTP these are calls
    turns = [2]               # of each connection, likewise; the first utterance or entry is turn 1
    reply = "half"

    [[faults]]
    turns = [4]               # over HTTP the first two posts of this turn are refused, the third is answered
    refuse = 503
    refuse_times = 2
    retry_after_s = 1

    [[faults]]
    close = 1011
    close_in = "answering"
    close_after_s = 0.1

The fields of `AssistantFaults` describe each fault.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator

from bridge.config.audio_file import read_wav
from bridge.settings.faults import describe, faults_in
from bridge.settings.table import Section
from bridge.simulators import scripts
from bridge.simulators.scripts import ConnectionFaults, Which, is_meant, merged, one_or_several
from bridge.vocabulary.errors import ConfigurationError

AudioName = Literal["wav", "pcmu", "l16", "json"]
"""How a reply over HTTP is written."""

ReplyFault = Literal["rubbish", "half", "mislabelled", "empty", "none", "twice", "early"]


class AssistantFaults(ConnectionFaults):
    """Faults of some turns of some connections. Turn 0 is before the first: there an upgrade is refused, for example."""

    turns: Which = None
    refuse: int | None = Field(
        None, ge=400, le=599, description="refuse the upgrade, or over HTTP the turn, with this HTTP status"
    )
    refuse_times: int | None = Field(
        None, ge=1, description="over HTTP: how often each of these turns is refused; left out: always"
    )
    retry_after_s: int | None = Field(
        None, ge=0, description="over HTTP: the header Retry-After of a refusal"
    )
    noise: bool = Field(False, description="send messages that the protocol does not have before the reply")
    utterance_end: Literal["never", "twice", "late"] | None = Field(
        None, description="how often the end of the utterance is sent; late: after the reply"
    )
    reply: ReplyFault | None = Field(
        None,
        description="rubbish: not base64, not audio, not JSON; half: only the first half of it; mislabelled: another "
        "prefix or content type; empty: no audio; none: no reply; twice; early: while the caller still speaks",
    )
    reply_bytes: int | None = Field(
        None,
        ge=1024,
        le=33_554_432,
        description="the length of the message with the reply, about; it is cut or padded with silence",
    )
    reply_s: float | None = Field(None, ge=0, description="from the end of the utterance to the reply")
    body_s: float = Field(0.0, ge=0, description="over HTTP: how long sending the answer's body takes")
    close: int | None = Field(
        None,
        ge=1000,
        le=4999,
        description="close with this code (RFC 6455, 7.4); 1006, and always over HTTP: break the connection",
    )
    close_in: Literal["idle", "listening", "answering", "answered"] = Field(
        "answering", description="the state in which to close; idle: before the first turn"
    )
    close_after_s: float = Field(0.0, ge=0, description="how long after that state began")

    def concern_turn(self, connection: int, turn: int) -> bool:
        """Whether this turn has these faults. Turn 0 is before the first one."""
        return self.concern(connection) and is_meant(self.turns, turn)


class AssistantScript(Section):
    """The script; the module's docstring describes its keys."""

    silence_ms: int = Field(500, ge=20, le=10_000)
    reply_s: float = Field(0.3, ge=0)
    greeting: Path | None = None
    say: tuple[Path, ...] = ()
    reprompt: Path | None = None
    reprompt_s: float = Field(10.0, gt=0)
    prefix: str = Field("_MULAW", min_length=1)
    restart: str = Field("RESTART_COMMUNICATION", min_length=1)
    utterance_end: str = Field("SINGLE_UTTERANCE_END", min_length=1)
    entry_prefix: str = Field("_DTMF", min_length=1)
    reply_as: AudioName = "wav"
    reply_rate_hz: int | None = Field(None, ge=4_000, le=192_000)
    text: tuple[str, ...] = ()
    understood: tuple[str, ...] = ()
    hang_up_turn: int | None = Field(None, ge=1)
    faults: tuple[AssistantFaults, ...] = ()

    @field_validator("faults", mode="before")
    @classmethod
    def _one_or_several(cls, faults: object) -> object:
        return one_or_several(faults)

    def faults_of(self, connection: int, turn: int) -> AssistantFaults:
        """The faults of this turn, from all tables that include it. Turn 0 is before the first one."""
        return merged(
            AssistantFaults, (table for table in self.faults if table.concern_turn(connection, turn))
        )

    def located(self, folder: Path) -> "AssistantScript":
        """The script with its recordings looked up in `folder`. Raises `ConfigurationError` if one cannot be read."""
        greeting, reprompt = (file and folder / file for file in (self.greeting, self.reprompt))
        say = tuple(folder / file for file in self.say)
        for file in (greeting, reprompt, *say):
            if file is not None:
                read_wav(file)
        return self.model_copy(update={"greeting": greeting, "reprompt": reprompt, "say": say})


def parse_script(text: str, folder: Path = Path(), name: str = "script") -> AssistantScript:
    """Read a script. `folder`: of its recordings. Raises `ConfigurationError` with `name`, the key, and what was expected."""
    return scripts.parse(AssistantScript, text, name).located(folder)


def read_script(path: Path) -> AssistantScript:
    """Read a script's file. Raises `ConfigurationError` as `parse_script` does, and if the file cannot be read."""
    return scripts.read(path, parse_script)


def with_options(path: Path | None, **options: object) -> AssistantScript:
    """The script of a file, or an empty one, with the options of the command line that are not None in their place.

    Files in options are relative to the working directory. Raises `ConfigurationError` that names the option.
    """
    script = AssistantScript() if path is None else read_script(path)
    given = {key: value for key, value in options.items() if value is not None}
    try:
        return AssistantScript.model_validate(script.model_dump(exclude_unset=True) | given).located(Path())
    except ValidationError as error:
        fault, *_ = faults_in(error, given)
        option = (fault.key[0].replace("_", "-"), *fault.key[1:])
        raise ConfigurationError(f"--{describe(fault._replace(key=option))}") from None
