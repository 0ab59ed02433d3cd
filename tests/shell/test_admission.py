"""Who is let in at the media sockets' paths: rows of a path and what is answered; no socket is opened."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.carriers.shared.webhooks import ExpectedCall, StreamKind
from bridge.config.settings import Settings
from bridge.shell import admission as module
from bridge.shell import sessions
from bridge.shell.admission import Admission
from bridge.shell.expected_calls import ENDED_S
from bridge.shell.sampled_log import SampledLog
from bridge.shell.switchboard import Switchboard
from bridge.shell.tokens import LIFE_S
from bridge.shell.websocket import SocketLeg
from bridge.vocabulary.commands import ControlCommand
from bridge.vocabulary.contracts import StreamEnd

UPGRADE = {"Upgrade": "websocket"}
SECRET = {"twilio": {"auth_token": "12345"}, "telnyx": {"api_key": "KEY"}}

Open = Callable[..., Admission]


@pytest.fixture
async def opened() -> AsyncIterator[Open]:
    """Admissions, each as of a process of its own. What is let in is closed at the end."""
    made: list[tuple[Admission, Switchboard]] = []

    def make(settings: dict[str, Any] = SECRET, **more: Any) -> Admission:
        whole = Settings.model_validate({"assistant": "echo"} | settings | more)
        switchboard = Switchboard(whole)
        admission = Admission(whole, switchboard)
        admission.public_url = "https://voice.example.com"
        made.append((admission, switchboard))
        return admission

    yield make
    for admission, switchboard in made:
        await ended(admission)
        await switchboard.aclose()


async def ended(admission: Admission) -> None:
    """Close the calls, and break off those that do not end by that."""
    admission.close()
    await asyncio.sleep(0)
    admission.break_off()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Unix time, in the last item."""
    times = [1_800_000_000.0]
    monkeypatch.setattr(module, "unix_clock", lambda: times[-1])
    return times


def path_of(
    admission: Admission,
    call_id: str = "CA1",
    carrier: str = "twilio",
    kind: StreamKind = "media",
    **more: Any,
) -> str:
    """Where the socket of a call may come in that is announced now."""
    url = admission.expect(carrier, ExpectedCall(call_id, **more), kind)
    return url.removeprefix("wss://voice.example.com")


def turned_away(admission: Admission, path: str, status: HTTPStatus = HTTPStatus.FORBIDDEN) -> str:
    """Why a socket is refused, with 403 unless another status is expected, as the log tells it."""
    admission._refusals = SampledLog()  # it writes a line a second
    with capture_logs() as lines:
        assert admission.admit(path, UPGRADE) is status
    (line,) = [line for line in lines if line["event"] == "media socket turned away"]
    assert (line["log_level"], line["status"]) == ("warning", status)
    return str(line["reason"])


NOT_OURS = "its token is not one of ours, or is for another carrier or another kind of stream"


async def test_a_call_that_was_announced_is_let_in_once(opened: Open) -> None:
    admission = opened()
    path = path_of(admission)
    assert isinstance(admission.admit(path, UPGRADE), SocketLeg)
    assert admission.calls == 1
    assert turned_away(admission, path) == "its token was used before"


async def test_a_path_is_for_its_carrier_and_its_kind_of_stream(opened: Open) -> None:
    admission = opened()
    path = path_of(admission)
    assert turned_away(admission, path.replace("twilio", "telnyx")) == NOT_OURS
    assert turned_away(admission, path.replace("media", "listen")) == NOT_OURS
    assert isinstance(admission.admit(path, UPGRADE), SocketLeg), "and the token is still good"


async def test_one_secret_for_all_carriers_does_not_make_their_tokens_the_same(opened: Open) -> None:
    admission = opened(security={"token_keys": ["k" * 32]})
    assert turned_away(admission, path_of(admission).replace("twilio", "telnyx")) == NOT_OURS


@pytest.mark.parametrize("token", ["", "guess", "A" * 200])
async def test_a_guess_is_turned_away(token: str, opened: Open) -> None:
    assert turned_away(opened(), f"/twilio/media/{token}") == NOT_OURS


@pytest.mark.parametrize("path", ["/twilio/voice/x", "/nobody/media/x", "/twilio", "/twilio/media/x/y", "/"])
async def test_other_paths_are_not_there(path: str, opened: Open) -> None:
    assert turned_away(opened(), path, HTTPStatus.NOT_FOUND) == "there is no media socket at its path"


SAME_PATH: dict[str, Callable[[str], str]] = {  # of a path with a token
    "a query": lambda path: f"{path}?a=1",
    "an empty query": lambda path: f"{path}?",
    "a query with a slash": lambda path: f"{path}?a=/b/c",
    "a query with a question mark": lambda path: f"{path}?a=?",
    "a slash at the end": lambda path: f"{path}/",
    "a slash and a query": lambda path: f"{path}/?a=1",
    "the token's first letter encoded": lambda path: (
        f"/twilio/media/%41{path.removeprefix('/twilio/media/A')}"
    ),
    "all of it encoded": lambda path: (
        "/" + "/".join("".join(f"%{ord(letter):02x}" for letter in word) for word in path.split("/")[1:])
    ),
}


@pytest.mark.parametrize("written", SAME_PATH.values(), ids=SAME_PATH.keys())
async def test_a_path_is_the_same_however_it_is_written(written: Callable[[str], str], opened: Open) -> None:
    admission = opened()
    path = path_of(admission)
    assert path.startswith("/twilio/media/A")  # the token's version
    assert written(path) != path
    assert isinstance(admission.admit(written(path), UPGRADE), SocketLeg)
    assert turned_away(admission, path) == "its token was used before"


@pytest.mark.parametrize(
    ("written", "status"),
    [
        ("{path}%2F", HTTPStatus.FORBIDDEN),  # an encoded slash is part of its segment
        ("{path}%3Fa=1", HTTPStatus.FORBIDDEN),
        ("/{path}", HTTPStatus.NOT_FOUND),
        ("{path}//x", HTTPStatus.NOT_FOUND),
        ("{path};a=1", HTTPStatus.FORBIDDEN),
    ],
)
async def test_another_path_does_not_spend_the_token(written: str, status: HTTPStatus, opened: Open) -> None:
    admission = opened()
    path = path_of(admission)
    assert turned_away(admission, written.format(path=path), status)
    assert admission.calls == 0
    assert isinstance(admission.admit(path, UPGRADE), SocketLeg)


async def test_a_call_that_cannot_be_begun_does_not_spend_the_token(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    admission = opened()
    path = path_of(admission)

    def fail(*_: object) -> None:
        raise OSError("no space is left")

    with monkeypatch.context() as patched:
        patched.setattr(sessions, "Session", fail)
        with pytest.raises(OSError, match="no space is left"):
            admission.admit(path, UPGRADE)
    assert admission.calls == 0
    assert isinstance(admission.admit(path, UPGRADE), SocketLeg)


async def test_a_token_is_too_old_after_a_minute(opened: Open, clock: list[float]) -> None:
    admission = opened()
    early, late = path_of(admission), path_of(admission, "CA2")
    clock.append(clock[-1] + LIFE_S - 0.001)
    assert isinstance(admission.admit(early, UPGRADE), SocketLeg)
    clock.append(clock[0] + LIFE_S)
    assert turned_away(admission, late) == "its token is too old"


async def test_a_call_that_has_ended_leaves_no_way_in(opened: Open) -> None:
    admission = opened()
    path, listening = path_of(admission), path_of(admission, kind="listen")
    other, elsewhere = path_of(admission, "CA2"), path_of(admission, carrier="telnyx")
    admission.call_ended("twilio", "CA1")
    assert (
        turned_away(admission, path) == turned_away(admission, listening) == "its call is no longer expected"
    )
    assert isinstance(admission.admit(other, UPGRADE), SocketLeg)
    assert isinstance(admission.admit(elsewhere, UPGRADE), SocketLeg)


async def test_with_a_stream_that_never_came_its_token_and_its_early_connection_go(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[str] = []
    monkeypatch.setattr(Switchboard, "forget", lambda _self, call_id: forgotten.append(call_id))
    admission = opened()
    path = path_of(admission)
    waiting = let_in(admission, path_of(admission, "CA2"))
    admission.stream_ended("telnyx", "CA1", "MZ1", broke=True)
    assert (forgotten, admission.calls) == ([], 1)
    for call_id in ("CA1", "CA2"):
        admission.stream_ended("twilio", call_id, f"MZ{call_id}", broke=True)
    assert forgotten == ["CA1", "CA2"]
    assert turned_away(admission, path) == "its call is no longer expected"
    assert admission.calls == 0, "it had said nothing yet"
    assert isinstance(waiting, SocketLeg)


async def test_a_call_that_has_ended_closes_the_session_of_its_carrier_only(opened: Open) -> None:
    admission = opened()
    for carrier in ("twilio", "telnyx"):
        admission.admit(path_of(admission, carrier=carrier), UPGRADE)
    admission.call_ended("twilio", "CA1")
    assert admission.calls == 1


async def test_another_process_knows_the_token_and_not_the_call(opened: Open) -> None:
    one, other = opened(), opened()
    path = path_of(one)
    assert turned_away(other, path) == "another process announced its call"
    assert isinstance(one.admit(path, UPGRADE), SocketLeg)


KEYS: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    # settings of the process that mints, of the one that reads, whether that knows the token
    "the carrier's secret": (SECRET, SECRET, True),
    "another secret": (SECRET, {"twilio": {"auth_token": "54321"}}, False),
    "a key of one's own": (SECRET | {"security": {"token_keys": ["a" * 32]}}, SECRET, False),
    "the key before": (
        SECRET | {"security": {"token_keys": ["a" * 32]}},
        {"security": {"token_keys": ["b" * 32, "a" * 32]}},
        True,
    ),
    "no secret at all: a key of the process": ({}, {}, False),
}


@pytest.mark.parametrize("name", KEYS)
async def test_whose_tokens_a_process_knows(name: str, opened: Open) -> None:
    minting, reading, is_known = KEYS[name]
    reason = turned_away(opened(reading), path_of(opened(minting)))
    assert reason == ("another process announced its call" if is_known else NOT_OURS)


async def test_without_any_secret_a_process_still_knows_its_own(opened: Open) -> None:
    admission = opened({})
    assert isinstance(admission.admit(path_of(admission), UPGRADE), SocketLeg)
    assert turned_away(admission, "/twilio/media/") == NOT_OURS


async def test_an_open_server_lets_in_who_has_no_token_and_not_who_has_a_wrong_one(opened: Open) -> None:
    admission = opened({}, security={"allow_unauthenticated": True})
    assert isinstance(admission.admit("/twilio/media", UPGRADE), SocketLeg)
    assert isinstance(admission.admit("/twilio/media/", UPGRADE), SocketLeg)
    assert turned_away(admission, "/twilio/media/guess") == NOT_OURS


# A stream that comes back


def start_of(call_id: str, stream_id: str) -> str:
    """A `start` of Telnyx's."""
    media_format = {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}
    body = {"call_control_id": call_id, "media_format": media_format}
    return json.dumps({"event": "start", "stream_id": stream_id, "start": body})


def let_in(admission: Admission, path: str, *said: str) -> SocketLeg:
    """A socket that has come in, and what the carrier said on it."""
    leg = admission.admit(path, UPGRADE)
    assert isinstance(leg, SocketLeg)
    for message in said:
        leg._receive(message)
    return leg


async def test_a_socket_with_the_token_of_a_stream_that_may_return_waits_beside_it(opened: Open) -> None:
    """It is the same token, however old; the call has one session."""
    admission = opened()
    path = path_of(admission, "v3:1", carrier="telnyx", returns_s=10.0)
    let_in(admission, path, start_of("v3:1", "S1"))
    let_in(admission, path, start_of("v3:1", "S2"))
    assert admission.calls == 1
    admission.stream_ended("telnyx", "v3:1", "S1")  # of the former stream
    assert admission.calls == 1
    admission.stream_ended("telnyx", "v3:1", "s2")  # a UUID, in either case
    assert admission.calls == 0


async def test_a_stream_that_broke_and_may_return_is_not_ended_by_word_of_its_end(opened: Open) -> None:
    """The carrier may mean the stream that broke; the call waits for the next one as long as it may."""
    admission = opened()
    path = path_of(admission, "v3:1", carrier="telnyx", returns_s=10.0)
    leg = let_in(admission, path, start_of("v3:1", "S1"))
    leg._lost(1006, "the connection broke")
    for broke in (True, False):
        admission.stream_ended("telnyx", "v3:1", "S1", broke=broke)
    assert admission.calls == 1
    let_in(admission, path, start_of("v3:1", "S2"))
    admission.call_ended("telnyx", "v3:1")
    assert admission.calls == 0


async def test_a_stream_that_failed_may_return(opened: Open) -> None:
    admission = opened()
    path = path_of(admission, "v3:1", carrier="telnyx", returns_s=10.0)
    let_in(admission, path, start_of("v3:1", "S1"))
    admission.stream_ended("telnyx", "v3:1", "S1", broke=True)
    assert admission.calls == 1
    other = path_of(admission, "v3:2", carrier="telnyx")
    let_in(admission, other, start_of("v3:2", "S2"))
    admission.stream_ended("telnyx", "v3:2", "S2", broke=True)
    assert admission.calls == 1, "this one may not"


# How long a token is good


async def test_a_token_that_is_sent_again_and_again_is_good_for_longer(
    opened: Open, clock: list[float]
) -> None:
    """Telnyx may take a minute to take `streaming_start`, and the socket comes after that."""
    admission = opened()
    paths = [path_of(admission, f"v3:{n}", carrier="telnyx", opens_s=60.0) for n in (1, 2)]
    clock.append(clock[0] + 60.0 + LIFE_S - 0.001)
    assert isinstance(admission.admit(paths[0], UPGRADE), SocketLeg)
    clock.append(clock[0] + 60.0 + LIFE_S)
    assert turned_away(admission, paths[1]) == "its token is too old"


async def test_that_a_call_has_ended_is_known_for_ten_minutes(opened: Open, clock: list[float]) -> None:
    admission = opened()
    admission.call_ended("twilio", "CA1")
    clock.append(clock[0] + ENDED_S - 0.001)
    assert admission.has_ended("twilio", "CA1")
    assert not admission.has_ended("twilio", "CA2")
    assert not admission.has_ended("telnyx", "CA1")
    clock.append(clock[0] + ENDED_S)
    assert not admission.has_ended("twilio", "CA1")


# What is done at the end


class Control:
    """A call's control; how its stream ended is written down."""

    can: frozenset[type[ControlCommand]] = frozenset()

    def __init__(self) -> None:
        self.ends: list[StreamEnd] = []

    def perform(self, command: ControlCommand, now: float) -> None:
        raise AssertionError(f"nobody can {command}")

    def hang_up(self, end: StreamEnd, now: float) -> None:
        self.ends.append(end)


async def test_nobody_hangs_up_a_call_that_goes_on_with_another_stream(opened: Open) -> None:
    admission = opened()
    first, second = Control(), Control()
    let_in(admission, path_of(admission, "v3:1", "telnyx", control=first), start_of("v3:1", "S1"))
    let_in(admission, path_of(admission, "v3:1", "telnyx", control=second), start_of("v3:1", "S2"))
    assert admission.calls == 1
    admission.call_ended("telnyx", "v3:1")
    await asyncio.sleep(0)
    assert (first.ends, second.ends) == ([], [StreamEnd.BY_CARRIER])


async def test_the_control_of_a_call_is_told_how_its_stream_ended(opened: Open) -> None:
    admission = opened()
    controls = {call_id: Control() for call_id in ("CA1", "CA2", "CA3")}
    for call_id, control in controls.items():
        path = path_of(admission, call_id, control=control)
        if call_id != "CA3":  # its stream never comes
            admission.admit(path, UPGRADE)
    admission.call_ended("twilio", "CA1")
    assert [control.ends for control in controls.values()] == [[StreamEnd.BY_CARRIER], [], []]
    await ended(admission)
    assert [control.ends for control in controls.values()] == [
        [StreamEnd.BY_CARRIER],
        [StreamEnd.BY_BRIDGE],
        [],
    ]
