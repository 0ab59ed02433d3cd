"""The persons whom a simulated carrier can call, from a file: who answers which number, when, and what they do. TOML.

    music = "hold.wav"        # what the carrier plays to those on hold; left out: a tone

    [people.ann]
    to = "+15550111"          # or "sip:ann@pbx.example.com"; the calls to it reach this person. "queue:support": this
                              # person serves the queue `support`, and takes its first caller after `answers_after_s`
    answers_after_s = 2.0     # left out: 1; or instead of an answer one of
    # busy = true             #   the line is busy
    # refused = true          #   the call is rejected
    # no_answer = true        #   it rings until the carrier gives up
    # failed = true           #   the number does not exist
    machine = false           # an answering machine answers, with `says` as its greeting
    verdict_after_s = 0.5     # from the answer to the result of the machine detection
    says = "ann.wav"          # a WAV file beside this file; or words, spoken by a made-up voice; or a list:
    # says = [{ words = "Ann here." }, { at_s = 1.5, since = "joined", wav = "ann.wav" }]
    presses = "1@4s"          # keys and times, from the answer; or a list: [{ at_s = 1, since = "heard", keys = "1" }]
    # declines_after_s = 3    # the same as pressing 2 then
    hangs_up_after_s = 20     # left out: never
    # hangs_up_since = "joined"
    calls = "+15550199"       # this person calls this number, too, as `to`; left out: does not call
    calls_after_s = 1         # so long after the caller was answered

    [caller]                  # what the caller does; --audio and --digits hold where a key is left out
    says = [{ at_s = 0.5, words = "I have a question." }]
    hangs_up_after_s = 40
    quiet_s = 8               # left out: 10; hangs up after so long a silence with nothing left to say

    [faults]                  # of the carrier's REST API
    requests = ["create"]     # the kinds of request, as --api-log names them; left out: all
    rate_limited = 1          # and server_errors, silent, refused: how many of each kind, in this order
    server_errors = 0

`since` is the moment from which a time counts: `answered` (of this party's call), `heard` (first sound heard), `joined`
(first together with another party), `left` (first alone again). A time whose moment never comes is never due.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from bridge.config.audio_file import read_wav
from bridge.settings.table import Section
from bridge.simulators import scripts
from bridge.simulators.openai.voice import spoken
from bridge.simulators.phone.party import HangUp, Key, PartyPlan, Sound
from bridge.simulators.phone.plan import CallPlan, read_digits
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.codec import decoder
from telecodecs.format import AudioFormat, Encoding, Samples

Since = Literal["answered", "heard", "joined", "left"]

DECLINE_KEY = "2"


class Saying(Section):
    """Something that is said: a recording, or words."""

    at_s: float = Field(0.0, ge=0)
    since: Since = "answered"
    wav: Path | None = None
    words: str = ""

    @model_validator(mode="after")
    def _has_one_sound(self) -> Self:
        if (self.wav is None) == (not self.words):
            raise ValueError("should have either wav or words")
        return self


class Press(Section):
    """Keys that are pressed one after the other, 0.2 s apart."""

    at_s: float = Field(0.0, ge=0)
    since: Since = "answered"
    keys: str = Field(pattern=r"^[0-9A-D*#]+$")


class Acts(Section):
    """What a party does once the call is answered."""

    says: tuple[Saying, ...] = ()
    presses: tuple[Press, ...] = ()
    hangs_up_after_s: float | None = Field(None, ge=0)
    hangs_up_since: Since = "answered"

    @field_validator("says", mode="before")
    @classmethod
    def _one_or_several(cls, says: object) -> object:
        if isinstance(says, str):
            return ({"wav": says},) if says.endswith(".wav") else ({"words": says},)
        return says

    @field_validator("presses", mode="before")
    @classmethod
    def _keys_and_times(cls, presses: object, _info: ValidationInfo) -> object:
        if not isinstance(presses, str):
            return presses
        try:
            digits = read_digits(presses)
        except ConfigurationError:
            raise ValueError('should be keys and times such as "1@2.5s", or a list of tables') from None
        return tuple({"at_s": digit.at_ms / 1000, "keys": digit.digit} for digit in digits)


class Person(Acts):
    """Somebody whom the simulated carrier can call."""

    to: str = Field(pattern=r"^(\+[1-9]\d{1,14}|sip:.+|queue:.+)$")
    answers_after_s: float = Field(1.0, ge=0)
    busy: bool = False
    refused: bool = False
    no_answer: bool = False
    failed: bool = False
    machine: bool = False
    verdict_after_s: float = Field(0.5, ge=0)
    declines_after_s: float | None = Field(None, ge=0)
    calls: str = Field("", pattern=r"^(\+[1-9]\d{1,14})?$")
    calls_after_s: float = Field(0.0, ge=0)

    @model_validator(mode="after")
    def _ends_in_one_way(self) -> Self:
        if sum((self.busy, self.refused, self.no_answer, self.failed)) > 1:
            raise ValueError("should have at most one of busy, refused, no_answer and failed")
        return self


class Caller(Acts):
    """What the caller does."""

    quiet_s: float = Field(10.0, gt=0)


class Faults(Section):
    """Faults of the carrier's REST API. Of each kind of request the first `server_errors` are answered 5xx, the next ones
    `rate_limited` 429, the next ones are performed and not answered (`silent`), the next ones are `refused` with 4xx."""

    requests: tuple[str, ...] = ()
    server_errors: int = Field(0, ge=0)
    rate_limited: int = Field(0, ge=0)
    silent: int = Field(0, ge=0)
    refused: int = Field(0, ge=0)


class People(Section):
    """The file; the module's docstring describes it."""

    people: dict[str, Person] = Field(default_factory=dict)
    caller: Caller = Caller()
    faults: Faults = Faults()
    music: Path | None = None
    folder: Path = Field(Path(), exclude=True)

    def music_at(self, rate_hz: int) -> Samples | None:
        """The music on hold at this rate; None: a tone."""
        return None if self.music is None else _recording(self.folder / self.music, rate_hz)

    def name_of(self, number: str) -> str:
        """The name of the person with this number or address, or who calls this number; empty if nobody has it."""
        people = self.people.items()
        return next((name for name, one in people if number and number in (one.to, one.calls)), "")

    def plan_of(self, name: str, rate_hz: int) -> PartyPlan:
        """What the person of this name does, with audio at this rate."""
        person = self.people[name]
        plan = self._plan(person, rate_hz)
        if person.declines_after_s is None:
            return plan
        declines = Key(person.declines_after_s, "answered", DECLINE_KEY)
        return plan._replace(keys=(*plan.keys, declines))

    def callers_plan(self, rate_hz: int, said: Samples, keys: tuple[Key, ...], longest_s: float) -> PartyPlan:
        """What the caller does. `said`, `keys`: in place of those that the file leaves out."""
        plan = self._plan(self.caller, rate_hz)
        return plan._replace(
            sounds=plan.sounds or (Sound(0.0, "answered", said),),
            keys=plan.keys or keys,
            quiet_s=self.caller.quiet_s if plan.hangs_up is None else None,
            longest_s=longest_s,
        )

    def _plan(self, acts: Acts, rate_hz: int) -> PartyPlan:
        sounds = (Sound(one.at_s, one.since, _sound(one, self.folder, rate_hz)) for one in acts.says)
        keys = (
            Key(one.at_s + nth * 0.2, one.since, key)
            for one in acts.presses
            for nth, key in enumerate(one.keys)
        )
        after_s = acts.hangs_up_after_s
        hangs_up = None if after_s is None else HangUp(after_s, acts.hangs_up_since)
        return PartyPlan(tuple(sounds), tuple(keys), hangs_up)


def read_people(path: Path | None) -> People:
    """Read the file; without one nobody can be called, and the caller hangs up as without people. Raises `ConfigurationError` with the key and what was expected."""
    if path is None:
        return People(caller=Caller(quiet_s=CallPlan().linger_s))
    return scripts.read(path, _parse)


def _parse(text: str, folder: Path, name: str) -> People:
    people = scripts.parse(People, text, name).model_copy(update={"folder": folder})
    people.music_at(8_000)
    for acts in (people.caller, *people.people.values()):
        for saying in acts.says:
            _sound(saying, folder, 8_000)
    addresses = [person.to for person in people.people.values()]
    for address in addresses:
        if addresses.count(address) > 1:
            raise ConfigurationError(f"{name}: people: {address} is the number of two: expected one for each")
    return people


def _sound(saying: Saying, folder: Path, rate_hz: int) -> Samples:
    if saying.wav is None:
        return spoken(saying.words, rate_hz)
    return _recording(folder / saying.wav, rate_hz)


def _recording(path: Path, rate_hz: int) -> Samples:
    line = AudioFormat(Encoding.L16, rate_hz)
    return decoder(line)(read_wav(path, line))
