"""The file of simulated persons: what is read out of it, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from bridge.config.audio_file import read_wav
from bridge.simulators.carriers.telnyx.injected_faults import TelnyxCallee
from bridge.simulators.carriers.telnyx.people_call import telnyx_callee
from bridge.simulators.carriers.twilio.injected_faults import TwilioCallee
from bridge.simulators.carriers.twilio.people_call import twilio_callee
from bridge.simulators.openai.voice import spoken
from bridge.simulators.phone import people as module
from bridge.simulators.phone.party import HangUp, Key
from bridge.simulators.phone.people import People, read_people
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.format import L16_8K

FIXTURES = Path(__file__).parents[3] / "fixtures"
TALK = FIXTURES / "talk-over.wav"


def read(folder: Path, text: str) -> People:
    file = folder / "people.toml"
    file.write_text(text)
    return read_people(file)


def test_the_example_of_the_docstring_is_a_file(tmp_path: Path) -> None:
    assert module.__doc__ is not None
    example = "\n".join(line[4:] for line in module.__doc__.splitlines() if line.startswith("    "))
    for name in ("ann.wav", "hold.wav"):
        (tmp_path / name).write_bytes(TALK.read_bytes())
    people = read(tmp_path, example)
    assert (people.name_of("+15550111"), people.name_of("+15550112")) == ("ann", "")
    plan = people.plan_of("ann", 8_000)
    assert plan.keys == (Key(4.0, "answered", "1"),)
    assert plan.hangs_up == HangUp(20, "answered")
    (said,) = plan.sounds
    assert np.array_equal(said.samples, np.frombuffer(read_wav(TALK, L16_8K), np.int16))
    assert people.music_at(16_000) is not None
    caller = people.callers_plan(8_000, np.zeros(8, np.int16), (), 600.0)
    assert (caller.hangs_up, caller.quiet_s) == (HangUp(40, "answered"), None)
    assert np.array_equal(caller.sounds[0].samples, spoken("I have a question.", 8_000))
    assert (people.faults.requests, people.faults.rate_limited) == (("create",), 1)


def test_what_the_caller_does_without_a_word_about_it() -> None:
    said = np.ones(8, np.int16)
    plan = read_people(None).callers_plan(8_000, said, (Key(1.0, "answered", "5"),), 600.0)
    assert (plan.sounds[0].samples is said, plan.keys[0].digit, plan.quiet_s) == (True, "5", 1.5)
    people = People.model_validate({"people": {"ann": {"to": "+15550111"}}})
    assert people.callers_plan(8_000, said, (), 600.0).quiet_s == 10.0


def test_declining_is_a_key() -> None:
    ann = {"to": "+15550111", "declines_after_s": 3, "presses": [{"at_s": 1, "since": "heard", "keys": "12"}]}
    plan = People.model_validate({"people": {"ann": ann}}).plan_of("ann", 8_000)
    assert plan.keys == (Key(1.0, "heard", "1"), Key(1.2, "heard", "2"), Key(3.0, "answered", "2"))


ANSWERS = [
    ("", TwilioCallee(1.0, verdict_after_s=0.5), TelnyxCallee(1.0, verdict_after_s=0.5)),
    ("answers_after_s = 3", TwilioCallee(3.0, verdict_after_s=0.5), TelnyxCallee(3.0, verdict_after_s=0.5)),
    (
        "machine = true\nverdict_after_s = 2",
        TwilioCallee(1.0, "machine", 2.0),
        TelnyxCallee(1.0, "machine", 2.0),
    ),
    ("busy = true", TwilioCallee(1.0, "human", 0.5, "busy"), TelnyxCallee(1.0, "human", 0.5, "user_busy")),
    (
        "refused = true",
        TwilioCallee(1.0, "human", 0.5, "busy"),
        TelnyxCallee(1.0, "human", 0.5, "call_rejected"),
    ),
    (
        "failed = true",
        TwilioCallee(1.0, "human", 0.5, "failed"),
        TelnyxCallee(1.0, "human", 0.5, "not_found"),
    ),
    ("no_answer = true", TwilioCallee(None, "human", 0.5), TelnyxCallee(None, "human", 0.5)),
]


@pytest.mark.parametrize(("text", "twilio", "telnyx"), ANSWERS)
def test_how_a_person_answers(tmp_path: Path, text: str, twilio: TwilioCallee, telnyx: TelnyxCallee) -> None:
    ann = read(tmp_path, f'[people.ann]\nto = "+15550111"\n{text}').people["ann"]
    assert (twilio_callee(ann), telnyx_callee(ann)) == (twilio, telnyx)


REFUSED = [
    ("[people.ann]\nto = 5", "people.ann.to = 5"),
    ('[people.ann]\nto = "ann"', "people.ann.to = 'ann'"),
    ('[people.ann]\nto = "+15550111"\nbusy = true\nrefused = true', "at most one of busy"),
    ('[people.ann]\nto = "+15550111"\nanswers_after = 1', "did you mean answers_after_s"),
    ('[people.ann]\nto = "+15550111"\npresses = "x@1s"', 'such as "1@2.5s"'),
    ('[people.ann]\nto = "+15550111"\nsays = [{ at_s = 1 }]', "either wav or words"),
    ('[people.ann]\nto = "+15550111"\nsays = [{ words = "a", since = "later" }]', "since = 'later'"),
    ('[people.ann]\nto = "+15550111"\nsays = "none.wav"', "none.wav: No such file"),
    ('music = "none.wav"', "none.wav: No such file"),
    ('[people.ann]\nto = "+15550111"\n[people.bob]\nto = "+15550111"', "is the number of two"),
    ("[people", "people.toml"),
]


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_a_file_that_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read(tmp_path, text)
    assert why in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        read_people(tmp_path / "people.toml")
