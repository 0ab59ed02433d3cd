"""[people.NAME]: what it means to the core, and what is refused in which words."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.config.checks import doubts
from bridge.config.people import doubtful_people, people_of, wrong_people
from bridge.config.settings import Settings, load
from bridge.core.elsewhere import Elsewhere
from bridge.settings.faults import faults_in
from bridge.vocabulary.errors import ConfigurationError

BILLING = {"to": ["+1 555 0111", ["+1 (555) 0112", "sip:ann@pbx.example.com"]]}
RECEPTION = {"kind": "openai-realtime", "tools": {"transfer": {"people": ["billing"]}}}


def tables(**billing: Any) -> dict[str, Any]:
    return {
        "openai": {"api_key": "sk-test"},
        "assistant": "reception",
        "assistants": {"reception": RECEPTION},
        "people": {"billing": BILLING | billing},
    }


def test_whom_to_call() -> None:
    people = people_of(Settings.model_validate(tables()))
    person = people.persons["billing"]
    assert person.groups == (("+15550111",), ("+15550112", "sip:ann@pbx.example.com"))
    assert people.allowed["reception"] == ("billing",)
    assert people.allowed["echo"] == ()
    assert (person.from_, person.ring_s, person.is_warm, person.nobody) == ("ours", 25.0, False, "back")
    assert len(person.hold) == 8000 * 3, "two tones and a pause"


def test_one_address_needs_no_list() -> None:
    assert people_of(Settings.model_validate(tables(to="+15550111"))).persons["billing"].groups == (
        ("+15550111",),
    )


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"to": "billing"}, "people.billing.to", "should be a number with its country, such as +15550111, or an address such as sip:ann@pbx.example.com"),
    ({"to": ["5550111"]}, "people.billing.to", "should be a number with its country"),
    ({"to": ['+1"}] ignore previous']}, "people.billing.to", "should be a number with its country"),
    ({"to": [["tel:+15550111"]]}, "people.billing.to", "should be a number with its country"),
    ({"to": []}, "people.billing.to", "at least 1 item"),
    ({"to": [["+15550111"] * 11]}, "people.billing.to", "at most 10 items"),
    ({"from": "me"}, "people.billing.from", 'should be "caller", "ours", or a number of yours'),
    ({"stays": "joins"}, "people.billing.stays", "'leaves', 'listens' or 'mixes'"),
    ({"assistant": "talks"}, "people.billing.assistant", 'should go with stays = "mixes"'),
    ({"stays": "listens", "assistant": "silent"}, "people.billing.assistant", 'should go with stays = "mixes"'),
    ({"stays": "mixes", "assistant": "mumbles"}, "people.billing.assistant", "'silent' or 'talks'"),
    ({"how": "hot"}, "people.billing.how", "'cold' or 'warm'"),
    ({"briefing": {"instructions": "x"}}, "people.billing.briefing", 'should go with how = "warm"'),
    ({"accept": "key"}, "people.billing.accept", 'should go with how = "warm"'),
    ({"how": "warm", "briefing": {}}, "people.billing.briefing", "should have one of instructions, assistant and play"),
    ({"how": "warm", "briefing": {"instructions": "x", "assistant": "echo"}}, "people.billing.briefing", "should have one of instructions, assistant and play"),
    ({"how": "warm", "briefing": {"assistant": "recepton"}}, "people.billing.briefing.assistant", "did you mean reception?"),
    ({"hold": {"play": "/nowhere.wav"}}, "people.billing.hold.play", "should be a WAV file"),
    ({"ring_s": 1}, "people.billing.ring_s", "greater than or equal to 5"),
    ({"nobody": "voicemail"}, "people.billing.nobody", "'back', 'message' or 'hang_up'"),
]  # fmt: skip


@pytest.mark.parametrize(("billing", "key", "told"), REFUSED, ids=str)
def test_what_is_refused(billing: dict[str, Any], key: str, told: str) -> None:
    written = tables(**billing)
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate(written)
    (fault, *_) = faults_in(refused.value, written)
    assert ".".join(fault.key).startswith(key)
    assert told in fault.message


def test_a_person_whom_nobody_knows() -> None:
    written = tables()
    written["people"] = {"biling": BILLING}
    with pytest.raises(ValidationError, match=r"should be one of biling; did you mean biling\?"):
        Settings.model_validate(written)
    del written["people"]
    with pytest.raises(ValidationError, match="there is nobody"):
        Settings.model_validate(written)


@pytest.mark.parametrize("name", ["the boss", "+15550111", "x" * 65])
def test_a_name_is_a_word(name: str) -> None:
    with pytest.raises(ValidationError, match="should be a name of letters, digits"):
        Settings.model_validate({"people": {name: BILLING}})


TOOLS: list[tuple[dict[str, Any], str]] = [
    ({"transfer": {}}, "transfer should have the names of people"),
    ({"transfer": {"people": []}}, "at least 1 item"),
    ({"hang_up": {"people": ["billing"]}}, "people should be left out; only transfer takes them"),
    ({"transfer": {"url": "https://example.com/", "people": ["billing"]}}, "people should be left out"),
]


@pytest.mark.parametrize(("tools", "told"), TOOLS, ids=str)
def test_the_tool(tools: dict[str, Any], told: str) -> None:
    written = tables() | {"assistants": {"reception": {"kind": "openai-realtime", "tools": tools}}}
    with pytest.raises(ValidationError, match=told):
        Settings.model_validate(written)


CANNOT: list[tuple[dict[str, Any], str]] = [
    ({"nobody": "message"}, "people.billing.nobody = \"message\": should go with recording.directory"),
    ({"how": "warm", "briefing": {"assistant": "parrot"}}, "people.billing.briefing: parrot is of kind parrot and cannot brief anybody"),
]  # fmt: skip


TURNS = {"kind": "turn-based", "url": "https://assistant.example.com/", "tools": RECEPTION["tools"]}


def test_a_person_whom_the_bridge_mixes_with_the_caller() -> None:
    mixed = people_of(Settings.model_validate(tables(stays="mixes"))).persons["billing"]
    assert (mixed.mixes, mixed.assistant_talks, mixed.listens) == (True, False, False)
    talks = people_of(Settings.model_validate(tables(stays="mixes", assistant="talks"))).persons["billing"]
    assert talks.assistant_talks


@pytest.mark.parametrize("stays", ["listens", "mixes"])
def test_who_cannot_listen(stays: str) -> None:
    written = tables(stays=stays)
    assert people_of(Settings.model_validate(written)).persons["billing"].listens is (stays == "listens")
    written["assistants"] |= {"books": TURNS}
    with pytest.raises(ConfigurationError, match="books is of kind turn-based and cannot listen"):
        people_of(Settings.model_validate(written))


@pytest.mark.parametrize(("billing", "told"), CANNOT, ids=str)
def test_what_cannot_work(billing: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        people_of(Settings.model_validate(tables(**billing)))


def test_a_recording_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "hold.wav").write_bytes(b"RIFF")
    settings = Settings.model_validate(tables(hold={"play": str(tmp_path / "hold.wav")}))
    with pytest.raises(ConfigurationError, match=r"hold\.wav"):
        people_of(settings)


def test_a_recording_understands_no_words(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(ValidationError, match="a recording understands no words"):
        Settings.model_validate(tables(how="warm", briefing={"play": str(tmp_path / "a.wav")}))


def test_a_person_whom_no_assistant_may_put_callers_through_to() -> None:
    written = tables()
    written["people"]["boss"] = BILLING
    told = [line for line in doubts(Settings.model_validate(written)) if "people" in line]
    assert told == [
        "people.boss: no assistant can put callers through to them; tools.transfer of one should name them"
    ]


def test_whom_the_address_of_before_call_may_put_callers_through_to() -> None:
    written = tables() | {"before_call": {"url": "https://crm.example.com/calls"}}
    written["people"]["boss"] = BILLING
    assert not [line for line in doubts(Settings.model_validate(written)) if "people" in line]


# Where the carrier takes the caller by itself

TWILIO_KEYS = {"twilio": {"account_sid": "AC" + "0" * 32, "auth_token": "1" * 32}}
TELNYX_KEYS = {
    "telnyx": {"public_key": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "api_key": "KEY" + "0" * 20}
}


@pytest.mark.parametrize(
    ("to", "groups"),
    [
        ({"twilio_queue": "support"}, (Elsewhere("queue", "support", "twilio"),)),
        ({"telnyx_queue": "support"}, (Elsewhere("queue", "support", "telnyx"),)),
        ({"sip_refer": "sip:ann@pbx.example.com"}, (Elsewhere("refer", "sip:ann@pbx.example.com"),)),
        (
            ["+15550111", {"twilio_queue": "a"}, {"telnyx_queue": "b"}],
            (("+15550111",), Elsewhere("queue", "a", "twilio"), Elsewhere("queue", "b", "telnyx")),
        ),
    ],
)
def test_a_queue_and_a_referral_stand_beside_numbers(to: Any, groups: Any) -> None:
    assert people_of(Settings.model_validate(tables(to=to))).persons["billing"].groups == groups


@pytest.mark.parametrize(
    ("wrong", "where", "expected"),
    [
        ({"to": {}}, "to", "should have one of twilio_queue, telnyx_queue and sip_refer"),
        (
            {"to": {"twilio_queue": "a", "telnyx_queue": "b"}},
            "to",
            "should have one of twilio_queue, telnyx_queue and sip_refer",
        ),
        ({"to": {"sip_refer": "ann"}}, "sip_refer", "should be an address such as sip:ann@pbx.example.com"),
        ({"to": {"twilio_queue": ""}}, "twilio_queue", "at least 1 character"),
        ({"to": {"twilio_queue": "a" * 65}}, "twilio_queue", "at most 64 characters"),
        ({"to": {"other_queue": "a"}}, "other_queue", ""),
        ({"to": {"twilio_queue": "a"}, "how": "warm"}, "how", 'should be "cold" where `to` has a queue'),
        (
            {"to": ["+15550111", {"sip_refer": "sip:a@b"}], "stays": "listens"},
            "stays",
            'should be "leaves" where `to` has a queue',
        ),
    ],
)
def test_what_is_no_queue_and_no_referral_is_refused(
    wrong: dict[str, Any], where: str, expected: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate(tables(**wrong))
    said = str(refused.value)
    assert where in said
    assert expected in said


def test_the_queue_of_a_carrier_that_brings_no_calls_is_refused_with_the_name_of_the_field() -> None:
    settings = Settings.model_validate(
        tables(to=["+15550111", {"twilio_queue": "support"}], back=True) | TELNYX_KEYS
    )
    assert list(wrong_people(settings)) == [
        "people.billing.to[1].twilio_queue = 'support': is a queue of Twilio, and the calls come from Telnyx; should be "
        "one of theirs, or twilio.auth_token should be set"
    ]


def test_a_person_whom_only_the_calls_of_one_carrier_can_reach_is_doubtful() -> None:
    settings = Settings.model_validate(tables(to={"telnyx_queue": "support"}) | TELNYX_KEYS | TWILIO_KEYS)
    assert list(wrong_people(settings)) == []
    assert (
        "people.billing.to: has queues of other carriers only, so a call of Twilio cannot be put through to them; should "
        "have a number, or twilio_queue, too" in list(doubtful_people(settings))
    )


# Supervisors


def supervised(**desk: Any) -> dict[str, Any]:
    return tables() | {"supervisors": {"desk": {"to": ["+1 555 0130", ["+15550131", "sip:a@b"]]} | desk}}


def test_who_can_supervise() -> None:
    people = people_of(Settings.model_validate(supervised(**{"from": "caller", "ring_s": 20})))
    (desk,) = people.supervisors.values()
    assert desk.groups == (("+15550130",), ("+15550131", "sip:a@b"))
    assert (desk.from_, desk.ring_s) == ("caller", 20.0)
    assert people_of(Settings.model_validate(tables())).supervisors == {}


@pytest.mark.parametrize(
    ("desk", "key", "told"),
    [
        ({"to": "desk"}, "supervisors.desk.to", "should be a number with its country"),
        ({"to": []}, "supervisors.desk.to", "at least 1 item"),
        ({"to": [{"twilio_queue": "support"}]}, "supervisors.desk.to", "should be a number with its country"),
        ({"from": "me"}, "supervisors.desk.from", 'should be "caller", "ours", or a number of yours'),
        ({"ring_s": 1}, "supervisors.desk.ring_s", "greater than or equal to 5"),
        ({"how": "warm"}, "supervisors.desk.how", ""),
        ({"pin": "471"}, "supervisors.desk.pin", "should be 4 to 16 digits"),
        ({"pin": "47a1"}, "supervisors.desk.pin", "should be 4 to 16 digits"),
        ({"pin": "\u0664\u0667\u0661\u0661"}, "supervisors.desk.pin", "should be 4 to 16 digits"),
        ({"pin": "4" * 17}, "supervisors.desk.pin", "should be 4 to 16 digits"),
        ({"pin": 4711}, "supervisors.desk.pin", "should be 4 to 16 digits in quotes"),
        ({"calls_from": "any"}, "supervisors.desk.calls_from", 'should be "own" without a pin'),
        ({"calls_from": "home"}, "supervisors.desk.calls_from", "'own' or 'any'"),
        ({"pin_file": "/nowhere/pin"}, "supervisors.desk.pin_file", "cannot be read"),
        ({"pin_file": "x", "pin": "4711"}, "supervisors.desk.pin", "should be given, or pin_file"),
        ({"waits_s": 1}, "supervisors.desk.waits_s", "greater than or equal to 10"),
    ],
    ids=str,
)
def test_what_is_refused_of_a_supervisor(desk: dict[str, Any], key: str, told: str) -> None:
    written = supervised(**desk)
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate(written)
    (fault, *_) = faults_in(refused.value, written)
    assert ".".join(fault.key).startswith(key)
    assert told in fault.message


def test_a_pin_is_never_shown() -> None:
    assert "40718263" not in repr(Settings.model_validate(supervised(pin="40718263")))


@pytest.mark.parametrize("pin", ['"4071826x"', "40718263"])
def test_a_wrong_pin_is_not_shown_either(tmp_path: Path, pin: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f'[supervisors.boss]\nto = "+15550130"\npin = {pin}\n')
    with pytest.raises(
        ConfigurationError, match=r"boss\.pin.* should be 4 to 16 digits in quotes"
    ) as refused:
        load(file=file, environment={})
    assert pin.strip('"') not in str(refused.value).partition("such as")[0]


def test_a_pin_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "pin"
    file.write_text("40718263\n")
    settings = Settings.model_validate(supervised(pin_file=str(file), calls_from="any", waits_s=300))
    pin = settings.supervisors["desk"].pin
    assert pin is not None
    assert pin.get_secret_value() == "40718263"
    assert people_of(settings).supervisors["desk"].waits_s == 300.0


def calling_in(**desk: Any) -> dict[str, Any]:
    return supervised(**desk) | {"routes": [{"to": "+15550199", "supervisor": "desk"}]}


def test_who_calls_in_needs_no_token_and_should_have_a_pin() -> None:
    (doubt,) = [one for one in doubtful_people(Settings.model_validate(calling_in())) if "supervis" in one]
    assert doubt.startswith("supervisors.desk.pin: is not set")
    assert not any("supervis" in one for one in doubts(Settings.model_validate(calling_in(pin="4711"))))


def test_calling_in_with_workers_is_doubted() -> None:
    (doubt,) = doubtful_people(Settings.model_validate(calling_in(pin="4711") | {"workers": 2}))
    assert doubt.startswith("workers = 2 with routes for supervisors")


def test_supervisors_without_a_token_that_can_supervise_are_doubted() -> None:
    assert any(
        one.startswith("supervisors: nobody")
        for one in doubtful_people(Settings.model_validate(supervised()))
    )
    token = {"name": "ops", "token": "0123456789abcdefghijklmnopqrstuv", "can": ["supervise"]}
    given = supervised() | {"control": {"tokens": [token]}}
    assert not any("supervisors" in one for one in doubtful_people(Settings.model_validate(given)))
