"""Entries over real sockets: asked for, typed into the prompt or after it, sensitive; and keys that must not be shown."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bridge.observers.journal_redaction import MASK

if TYPE_CHECKING:
    from tests.end_to_end.realtime.conftest import Call

CARD = "48315162"
PROMPT = "Please type your card."
PAID = "Thank you, that is paid."


def row(**fields: Any) -> pytest.MarkDecorator:
    """One call."""
    return pytest.mark.parametrize("call", [fields], indirect=True, ids=[""])


def typed(digits: str, at_s: float) -> tuple[tuple[str, float], ...]:
    return tuple((digit, at_s + number * 0.1) for number, digit in enumerate(digits))


def collect(**arguments: Any) -> dict[str, str]:
    return {"name": "collect_digits", "arguments": json.dumps(arguments)}


def pays(**fields: Any) -> dict[str, Any]:
    return {
        "says": (0.9,),
        "types": typed(CARD + "#", 4.0),
        "plan": {"linger_s": 2.5},
        "assistant": {"tools": {"collect_digits": {}, "pay": {"function": "clinic:pay"}}},
        "script": {
            "replies": [
                {"calls": [collect(prompt=PROMPT, sensitive=True)]},
                {
                    "on_output": "collect_digits",
                    "calls": [{"name": "pay", "arguments": '{"card": "entry-1"}'}],
                },
                {"on_output": "pay", "say": PAID},
            ]
        },
    } | fields


SENSITIVE = row(**pays())
TYPED_INTO_THE_PROMPT = row(**pays(types=typed(CARD + "#", 2.6)))


def outputs(call: "Call") -> list[dict[str, Any]]:
    return [json.loads(item.removeprefix("output: ")) for item in call.items() if item.startswith("output: ")]


def paid() -> dict[str, Any]:
    return {"card": "entry-1", "digits": len(CARD), "sum": sum(map(int, CARD))}


@SENSITIVE
def test_a_sensitive_entry_is_a_placeholder_to_the_model_and_digits_to_the_tool(call: "Call") -> None:
    heard = call.hears_all(PROMPT)
    assert heard.until_ms < 4_000, "before it was typed"
    entry, output = outputs(call)
    assert {name: entry[name] for name in ("entry", "length", "reason")} == {
        "entry": "entry-1",
        "length": len(CARD),
        "reason": "terminator",
    }
    assert output == paid(), "what the tool gave back has the name again"
    call.hears_all(PAID)
    (asked,) = call.wrote("EntryRequested")
    assert asked["sensitive"]
    assert len(call.sent("response.create")) == 4, "greeting, prompt, and one after each output"


@TYPED_INTO_THE_PROMPT
def test_an_entry_typed_into_the_prompt_is_the_same(call: "Call") -> None:
    heard = call.hears(PROMPT)
    assert heard is None or heard.share < 1
    entry, output = outputs(call)
    assert (entry["entry"], output) == ("entry-1", paid())
    call.hears_all(PAID)


@SENSITIVE
def test_the_digits_are_in_no_file_no_log_and_not_with_the_model(call: "Call") -> None:
    nowhere(call, CARD)
    pressed = [fields["digit"] for fields in call.wrote("DigitPressed")]
    assert pressed == [MASK] * (len(CARD) + 1)
    assert not call.wrote("TypeDigit")
    assert [fields["digits"] for fields in call.wrote("EnterDigits")] == [MASK * len(CARD)]


@TYPED_INTO_THE_PROMPT
def test_the_digits_typed_into_the_prompt_are_nowhere_either(call: "Call") -> None:
    nowhere(call, CARD)


def nowhere(call: "Call", digits: str) -> None:
    """Not whole, and not key by key."""
    told = [received.event for connection in call.connections for received in connection.received]
    assert told
    assert call.log
    texts = {"model": json.dumps(told), "log": json.dumps(call.log, default=str)}
    for name, file in call.files.items():
        texts[name] = Path(file).read_bytes().decode("latin-1")
    assert not [name for name, text in texts.items() if digits in text]
    keys = [fields.get("digit", "") for fields in call.wrote("DigitPressed") + call.wrote("TypeDigit")]
    assert not set(keys) & set(digits)


@row(
    says=(0.9,),
    types=typed("1978#", 3.2),
    plan={"linger_s": 2.5},
    assistant={"tools": {"collect_digits": {}}},
    script={
        "replies": [
            {"calls": [collect(prompt="Which year?", length=4, terminator="#", timeout=10)]},
            {"on_output": "collect_digits", "say": "Noted."},
        ]
    },
)
def test_an_entry_that_is_not_sensitive_is_sent_and_in_the_journal(call: "Call") -> None:
    assert outputs(call) == [{"digits": "1978", "reason": "full"}]
    call.hears_all("Which year?")
    call.hears_all("Noted.")
    assert [fields["digits"] for fields in call.wrote("EnterDigits")] == ["1978"]


@row(
    says=(0.9,),
    plan={"linger_s": 4.0},
    assistant={"tools": {"collect_digits": {}}},
    script={
        "replies": [
            {"calls": [collect(timeout=1)]},
            {"on_output": "collect_digits", "say": "You need not."},
        ]
    },
)
def test_a_caller_who_types_nothing_is_answered_in_time(call: "Call") -> None:
    assert outputs(call) == [{"digits": "", "reason": "quiet"}]
    call.hears_all("You need not.")


@row(
    says=(0.9,),
    plan={"linger_s": 3.0},
    assistant={"tools": {"send_digits": {}, "collect_digits": {}}},
    script={
        "replies": [
            {
                "calls": [
                    {"name": "send_digits", "arguments": '{"digits": "2w#"}'},
                    {"name": "collect_digits", "arguments": '{"length": 0}'},
                ]
            },
            {"on_output": "", "say": "Pressed."},
        ]
    },
)
def test_keys_are_pressed_and_wrong_ones_are_reported(call: "Call") -> None:
    sent, wrong = call.items()
    assert sent == 'output: {"sent":"2w#"}'
    assert wrong.startswith("output: error: length is 0; it should be a whole number")
    assert [fields["keys"] for fields in call.wrote("PressRequested")] == ["2w#"]
    assert not call.wrote("EntryRequested")
    call.hears_all("Pressed.")
