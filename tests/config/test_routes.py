"""Who gets a call: rows of a route, a call, and whether the one fits the other; and what is said of a wrong one."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.routes import Incoming, Routes, RouteSettings, never_taken, normal
from bridge.config.settings import load
from bridge.vocabulary.errors import ConfigurationError


def route(assistant: str = "a", **asked: Any) -> RouteSettings:
    if "from_" in asked:
        asked["from"] = asked.pop("from_")
    return RouteSettings.model_validate({"assistant": assistant, **asked})


CALL = Incoming("+15550100", "+4930123456", "sales", {"plan": "gold", "lang": "de"})

FITS: list[dict[str, Any]] = [
    {"to": "+15550100"},
    {"to": "+1 (555) 01-00"},
    {"to": "+1.555.0100"},
    {"to": "+1555*"},
    {"to": "+1 555 *"},
    {"to": "+15550100*"},
    {"from_": "+49*"},
    {"path": "sales"},
    {"parameters": {"plan": "gold"}},
    {"parameters": {"lang": "de", "plan": "gold"}},
    {"to": "+1*", "from_": "+4930123456", "path": "sales", "parameters": {"plan": "gold"}},
]
FITS_NOT: list[dict[str, Any]] = [
    {"to": "+15550101"},
    {"to": "+1555010"},
    {"to": "+155501001*"},
    {"from_": "+15550100"},
    {"path": "support"},
    {"parameters": {"plan": "silver"}},
    {"parameters": {"plan": "gold", "size": "s"}},
    {"to": "+1*", "from_": "+49*", "path": "sales", "parameters": {"plan": "silver"}},
    {"to": "+1*", "from_": "+44*"},
]


@pytest.mark.parametrize("asked", FITS)
def test_fits(asked: dict[str, Any]) -> None:
    assert route(**asked).fits(CALL)


@pytest.mark.parametrize("asked", FITS_NOT)
def test_fits_not(asked: dict[str, Any]) -> None:
    assert not route(**asked).fits(CALL)
    assert not route(**asked).fits(Incoming())


@pytest.mark.parametrize(
    ("asked", "to", "fits"),
    [
        ("sip:me@example.com", "sip:me@example.com", True),
        ("sip:me-too@example.com", "sip:metoo@example.com", False),
        ("sip:me@*", "sip:me@example.com", True),
        ("sips:me@example.com", "sip:me@example.com", False),
        ("client:alice", "client:alice", True),
        ("+15550100", "+1 555 0100", True),
        ("+15550100", "anonymous", False),
        ("+1*", "", False),
    ],
)
def test_addresses_are_compared_as_text(asked: str, to: str, fits: bool) -> None:
    assert route(to=asked).fits(Incoming(to)) is fits


def test_the_first_that_fits_counts() -> None:
    routes = Routes(
        [route("legacy", to="+15550100", path="old"), route("new", to="+1*"), route("b", to="+15550100")]
    )
    assert routes.assistant(Incoming("+15550100", path="old")) == "legacy"
    assert routes.assistant(Incoming("+15550100")) == "new"
    assert routes.assistant(Incoming("+445550100")) == ""
    assert Routes([]).assistant(CALL) == ""


def test_a_stream_that_nobody_announced_has_its_parameters_alone() -> None:
    plan = {"plan": "gold"}
    routes = Routes(
        [route("a", to="+1*", parameters=plan), route("b", path="x"), route("c", parameters=plan)]
    )
    assert routes.assistant_at_start(plan) == "c"
    assert routes.assistant_at_start({}) == ""


SUPERVISED = {"to": "+15550199", "supervisor": "boss"}


@pytest.mark.parametrize(
    ("to", "assistant", "supervisor", "name"),
    [
        ("+15550199", "", "boss", "routes[1]"),
        ("+15550100", "a", "", "routes[0]"),
        ("+1555019", "", "", "the default"),
    ],
)
def test_a_route_has_calls_of_a_supervisor(to: str, assistant: str, supervisor: str, name: str) -> None:
    routes = Routes([route("a", to="+15550100"), RouteSettings.model_validate(SUPERVISED)])
    call = Incoming(to)
    assert (routes.assistant(call), routes.supervisor(call), routes.name_of(call)) == (
        assistant,
        supervisor,
        name,
    )


def test_a_stream_that_nobody_announced_is_never_that_of_a_supervisor() -> None:
    plan = {"plan": "gold"}
    boss = RouteSettings.model_validate({"parameters": plan, "supervisor": "boss"})
    routes = Routes([boss, route("a", parameters=plan)])
    assert (routes.assistant_at_start(plan), routes.name_at_start(plan)) == ("a", "routes[1]")
    assert Routes([boss]).name_at_start(plan) == "the default"


def test_which_paths_are_asked_for() -> None:
    routes = Routes([route(path="sales"), route(to="+1*")])
    assert routes.has_path("sales")
    assert not routes.has_path("sale")


NEVER_TAKEN: list[tuple[list[dict[str, Any]], list[tuple[int, int]]]] = [
    ([{"to": "+1555*"}, {"to": "+15550100"}], [(1, 0)]),
    ([{"to": "+15550100"}, {"to": "+1555*"}], []),
    ([{"to": "+1*"}, {"to": "+15*"}, {"to": "+1*"}], [(1, 0), (2, 0)]),
    ([{"to": "+15550100"}, {"to": "+15550100", "from_": "+49*"}], [(1, 0)]),
    ([{"to": "+15550100", "from_": "+49*"}, {"to": "+15550100"}], []),
    ([{"to": "+15550100"}, {"from_": "+15550100"}], []),
    ([{"path": "x"}, {"path": "x", "parameters": {"plan": "gold"}}, {"path": "y"}], [(1, 0)]),
    (
        [{"parameters": {"a": "1"}}, {"parameters": {"b": "1", "a": "1"}}, {"parameters": {"a": "2"}}],
        [(1, 0)],
    ),
]


@pytest.mark.parametrize(("asked", "expected"), NEVER_TAKEN)
def test_a_route_that_no_call_gets_to_is_found(
    asked: list[dict[str, Any]], expected: list[tuple[int, int]]
) -> None:
    assert list(never_taken([route(**one) for one in asked])) == expected


NUMBERS = st.from_regex(r"\+1[0-9]{0,3}\*?", fullmatch=True).filter(lambda text: text not in ("+1",))
CONDITIONS = st.fixed_dictionaries(
    {"to": NUMBERS},
    optional={
        "path": st.sampled_from(["x", "y"]),
        "parameters": st.dictionaries(*[st.sampled_from("ab")] * 2),
    },
)


@given(st.lists(CONDITIONS, max_size=4), st.from_regex(r"\+1[0-9]{1,4}", fullmatch=True), CONDITIONS)
def test_no_call_ever_gets_to_a_route_that_is_never_taken(
    asked: list[dict[str, Any]], to: str, others: dict[str, Any]
) -> None:
    routes = [route(str(number), **one) for number, one in enumerate(asked)]
    taken = Routes(routes).assistant(Incoming(to, "", others.get("path", ""), others.get("parameters", {})))
    assert taken not in [str(number) for number, _ in never_taken(routes)]


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        (" +1 (555) 01-00 ", "+15550100"),
        ("+49 (0)30 / 12 34-56", "+4930123456"),
        ("+1\u202f555\u20110100", "+15550100"),
        ("+1 ٥٥٥ 0100", "+1 ٥٥٥ 0100"),
        (" sip:a-b@x ", "sip:a-b@x"),
        ("Anonymous", "Anonymous"),
        ("0171 1", "0171 1"),
    ],
)
def test_numbers_are_compared_without_what_people_write_into_them(written: str, compared: str) -> None:
    assert normal(written) == compared


# In the file


TO_ECHO = "assistant = 'echo'\n"
WRONG = [
    (
        "[[routes]]\nto = '+15550100'\nassistant = 'echo'\n[[routes]]\nto = '+15550101'\nassistant = 'ecko'",
        "voicebridge.toml: routes[1].assistant = 'ecko': should be one of echo, parrot, openai-realtime; "
        "did you mean echo?",
    ),
    (
        "[[routes]]\nto = '+1*'",
        "voicebridge.toml: routes[0].assistant is missing: should be one of echo, parrot",
    ),
    (
        "[supervisors.boss]\nto = '+15550130'\n[[routes]]\nto = '+1*'\nsupervisor = 'bos'",
        "voicebridge.toml: routes[0].supervisor = 'bos': should be one of boss; did you mean boss?",
    ),
    (
        "[[routes]]\nto = '+1*'\nsupervisor = 'boss'",
        "routes[0].supervisor = 'boss': should be in [supervisors.NAME]; there is nobody",
    ),
    (
        f"[supervisors.boss]\nto = '+15550130'\n[[routes]]\nto = '+1*'\nsupervisor = 'boss'\n{TO_ECHO}",
        "routes[0].supervisor = 'boss': should not go with an assistant",
    ),
    (f"[[routes]]\n{TO_ECHO}", "voicebridge.toml: routes[0]: should have to, from, path or parameters"),
    (
        f"[[routes]]\nto = '0171 555'\n{TO_ECHO}",
        "voicebridge.toml: routes[0].to = '0171 555': should be a number such as +15550100",
    ),
    (f"[[routes]]\nfrom = '*'\n{TO_ECHO}", "routes[0].from = '*': should be a number"),
    (f"[[routes]]\nto = '0049 30 1'\n{TO_ECHO}", "routes[0].to = '0049 30 1': should be a number"),
    (f"[[routes]]\nto = 'sip:*@example.com'\n{TO_ECHO}", "a star stands at the end"),
    (f"[[routes]]\nfrom = '+1*5'\n{TO_ECHO}", "routes[0].from = '+1*5': should be a number"),
    (f"[[routes]]\nto = 15550100\n{TO_ECHO}", "routes[0].to = 15550100: Input should be a valid string"),
    (
        f"[[routes]]\npath = '/twilio/voice/sales'\n{TO_ECHO}",
        "routes[0].path = '/twilio/voice/sales': should be one word of letters",
    ),
    (f"[[routes]]\nparameters = {{ plan = 3 }}\n{TO_ECHO}", "routes[0].parameters.plan = 3: Input should be"),
    (
        f"[[routes]]\nparameters = {{ assistant = 'x' }}\n{TO_ECHO}",
        "routes[0].parameters: assistant should have another name",
    ),
    (f"[[routes]]\nform = '+1*'\n{TO_ECHO}", "there is no setting routes[0].form; did you mean from?"),
    (f"[routes]\nto = '+1*'\n{TO_ECHO}", "voicebridge.toml: routes: should be written as [[routes]]"),
    ("routes = 3", "voicebridge.toml: routes = 3: Input should be a valid list"),
    ("routes = ['echo']", "voicebridge.toml: routes[0] = 'echo': should be a table"),
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_a_wrong_route_is_named_by_its_number(text: str, message: str) -> None:
    Path("voicebridge.toml").write_text(text)
    with pytest.raises(ConfigurationError) as refusal:
        load(environment={})
    assert message in str(refusal.value)


def test_what_is_wrong_with_a_key_does_not_hide_a_name_that_nobody_has() -> None:
    Path("voicebridge.toml").write_text(
        "assistant = 'nobody'\nlog_level = 'loud'\nssl_certfile = 'a.pem'\n[[routes]]\nto = '+1*'\nassistant = 'ecko'\n"
        "[assistants.a]\nkind = 'eko'\nfallback = 'b'\n"
    )
    with pytest.raises(ConfigurationError) as refusal:
        load(environment={})
    told = [
        line.split(" = ")[0].removeprefix("voicebridge.toml: ") for line in str(refusal.value).splitlines()
    ]
    assert sorted(told) == [
        "assistant",
        "assistants.a.fallback",
        "assistants.a.kind",
        "log_level",
        "routes[0].assistant",
        "ssl_certfile",
    ]


def test_a_parameter_that_is_a_secret_is_not_shown() -> None:
    Path("voicebridge.toml").write_text(
        "[[routes]]\nassistant = 'echo'\nparameters = { token = 'hush', plan = 'gold' }\n"
    )
    settings = load(environment={})
    assert settings.routes[0].in_words() == "calls with token = '**********', with plan = 'gold'"
    assert "hush" not in settings.model_dump_json()
