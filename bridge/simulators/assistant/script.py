"""The script of the fake assistant: what it says, when, and with which faults. TOML; every key may be left out.

    silence_ms = 500          # so much silence ends an utterance
    reply_s = 0.3             # from the end of an utterance to its reply
    greeting = "hello.wav"    # said at once; recordings are beside the script
    say = ["one.wav", "two.wav"]    # the replies, in turn; without it the fake says back what it hears
    reprompt = "still-there.wav"    # said where nobody has spoken for so long, WebSocket only
    reprompt_s = 10
    prefix = "_MULAW"         # of a reply, WebSocket only; so are the next three
    restart = "RESTART_COMMUNICATION"
    utterance_end = "SINGLE_UTTERANCE_END"
    entry_prefix = "_DTMF"    # of an entry from the keypad, of a client that sends such
    reply_as = "wav"          # over HTTP: wav, pcmu, l16, or json with a WAV in base64
    reply_rate_hz = 8000      # of wav, l16 and json; left out: that of the request
    text = ["Good.", "Bye."]  # the words of the replies, in turn, with json only
    understood = ["Hello?"]   # likewise, what it takes the caller to have said
    hang_up_turn = 3          # the reply to this turn is the last one, with json only

    [[faults]]
    connections = 1           # the first one only; [2] the second only; left out: all. Over HTTP, calls
    turns = [2]               # likewise, of each; the first thing said or typed is turn 1
    reply = "half"

    [[faults]]
    close = 1011
    close_in = "answering"
    close_after_s = 0.1

What a fault is, its field below tells.
"""

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator

from bridge.config.audio_file import read_wav
from bridge.settings.faults import describe, faults_in
from bridge.settings.table import Section
from bridge.vocabulary.errors import ConfigurationError

Which = int | list[int] | None
"""The first so many, or those in the list, counted from 1; None: all."""

AudioName = Literal["wav", "pcmu", "l16", "json"]
"""How a reply over HTTP is written."""

ReplyFault = Literal["rubbish", "half", "mislabelled", "empty", "none", "twice", "early"]


class Faults(Section):
    """Of those turns of those connections. A WebSocket is refused, or closed while idle, in turn 0, as it were."""

    connections: Which = None
    turns: Which = None
    refuse: int | None = Field(
        None, ge=400, le=599, description="the HTTP status that the upgrade gets; over HTTP, the turn"
    )
    noise: bool = Field(False, description="messages that mean nothing come before the reply")
    utterance_end: Literal["never", "twice", "late"] | None = Field(
        None, description="how often the end of the utterance is told; late: behind the reply"
    )
    reply: ReplyFault | None = Field(
        None,
        description="rubbish: no base64, no audio, no JSON; half: it breaks off in the middle; mislabelled: another "
        "prefix or content type; empty: no audio; none: never; twice; early: while the caller still speaks",
    )
    reply_bytes: int | None = Field(
        None,
        ge=1024,
        le=33_554_432,
        description="the reply is about so long a message, cut, or with silence at its end",
    )
    reply_s: float | None = Field(None, ge=0, description="from the end of the utterance to the reply")
    body_s: float = Field(0.0, ge=0, description="over HTTP: the answer's body takes so long")
    close: int | None = Field(
        None, ge=1000, le=4999, description="RFC 6455, 7.4; 1006: cut off, as over HTTP always"
    )
    close_in: Literal["idle", "listening", "answering", "answered"] = Field(
        "answering", description="the state; idle: before the first turn"
    )
    close_after_s: float = Field(0.0, ge=0, description="since that state began")

    def strike(self, connection: int, turn: int) -> bool:
        """Whether this turn suffers. Turn 0 is what comes before the first one."""
        return _meant(self.connections, connection) and _meant(self.turns, turn)


def _meant(which: Which, number: int) -> bool:
    match which:
        case None:
            return True
        case int(first):
            return 1 <= number <= first
        case listed:
            return number in listed


class Script(Section):
    """The whole file."""

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
    faults: tuple[Faults, ...] = ()

    @field_validator("faults", mode="before")
    @classmethod
    def _one_or_several(cls, faults: object) -> object:
        return (faults,) if isinstance(faults, dict | Faults) else faults

    def faults_of(self, connection: int, turn: int) -> Faults:
        """What this turn suffers, all tables that name it taken together. Turn 0: before the first."""
        struck = [faults for faults in self.faults if faults.strike(connection, turn)]
        return Faults(
            **{key: getattr(faults, key) for faults in struck for key in sorted(faults.model_fields_set)}
        )

    def located(self, folder: Path) -> "Script":
        """The same with its recordings looked up in `folder`. Raises `ConfigurationError` where one cannot be read."""
        greeting, reprompt = (file and folder / file for file in (self.greeting, self.reprompt))
        say = tuple(folder / file for file in self.say)
        for file in (greeting, reprompt, *say):
            if file is not None:
                read_wav(file)
        return self.model_copy(update={"greeting": greeting, "reprompt": reprompt, "say": say})


def parse_script(text: str, folder: Path = Path(), name: str = "script") -> Script:
    """`folder`: where its recordings are. Raises `ConfigurationError`, with `name`, the key and what would be right."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{name}: {error}") from None
    try:
        return Script.model_validate(table).located(folder)
    except ValidationError as error:
        faults = faults_in(error, table)
        raise ConfigurationError("\n".join(f"{name}: {describe(fault)}" for fault in faults)) from None


def read_script(path: Path) -> Script:
    """Raises `ConfigurationError` as `parse_script` does, also where the file cannot be read."""
    try:
        return parse_script(path.read_text(encoding="utf-8"), path.parent, str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None


def with_options(path: Path | None, **options: object) -> Script:
    """The script of the file, or an empty one; what is not None goes before it, and files are where they are.

    Raises `ConfigurationError`, naming the option.
    """
    script = Script() if path is None else read_script(path)
    given = {key: value for key, value in options.items() if value is not None}
    try:
        return Script.model_validate(script.model_dump(exclude_unset=True) | given).located(Path())
    except ValidationError as error:
        fault, *_ = faults_in(error, given)
        option = (fault.key[0].replace("_", "-"), *fault.key[1:])
        raise ConfigurationError(f"--{describe(fault._replace(key=option))}") from None
