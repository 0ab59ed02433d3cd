"""Chunks that are swapped, lost or repeated: the recording keeps its length, the account has the counts, and nothing
waits while all is in order.
"""

import asyncio
import json
import wave
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.stream import TelnyxStream
from bridge.config.audio_file import read_wav
from bridge.config.settings import Settings
from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.timers import Limits
from bridge.shell.server import Server
from bridge.simulators.carriers.contract import CallOptions
from bridge.simulators.carriers.telnyx.coding import Coding
from bridge.simulators.carriers.telnyx.exchange import telnyx_exchange
from bridge.simulators.carriers.telnyx.media import SimulatedTelnyxStream
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.live_call import Network
from bridge.simulators.phone.network_disorder import IN_ORDER, Disorder
from bridge.simulators.phone.plan import CallPlan
from bridge.simulators.phone.report import CallReport
from bridge.vocabulary.commands import AppendAudio
from bridge.vocabulary.contracts import CarrierOutcome
from bridge.vocabulary.events import AssistantReady, CallEnded, CallerAudio, Event, TimePassed, Word

SENTENCE = Path(__file__).parents[3] / "fixtures" / "sentence-en-us-female.wav"
CALL_MS = 3000
CODECS = ["PCMU", "L16", "G722", "OPUS"]
DISORDER = Disorder(reorder=0.05, loss=0.01, repeat=0.01)

each_codec = pytest.mark.parametrize("codec", CODECS)


class Carried(NamedTuple):
    report: CallReport
    counts: dict[str, int]
    recorded_ms: float


async def carry(codec: str, disorder: Disorder, folder: Path) -> Carried:
    directory = {"directory": folder}
    settings = Settings.model_validate(
        {
            "port": 0,
            "assistant": "echo",
            "security": {"allow_unauthenticated": True},
            "journal": directory,
            "recording": directory,
            "telnyx": {"codec": codec},
        }
    )
    exchange = telnyx_exchange(CallOptions(codec=codec))
    async with Server(settings).running() as server:
        report = await place_call(
            f"ws://127.0.0.1:{server.port}/telnyx/media",
            CallPlan(read_wav(SENTENCE, exchange.line), hang_up_at_ms=CALL_MS),
            carrier=exchange,
            network=Network(disorder=disorder),
        )
    (journal,), (recording,) = folder.glob("*.jsonl"), folder.glob("*.wav")
    ended = json.loads(journal.read_text().splitlines()[-1])
    with wave.open(str(recording)) as file:
        return Carried(report, ended["counts"], file.getnframes() * 1000 / file.getframerate())


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, Disorder], Carried]:
    ways = [(codec, disorder) for codec in CODECS for disorder in (IN_ORDER, DISORDER)]

    async def carry_all() -> list[Carried]:
        return await asyncio.gather(*(carry(*way, tmp_path_factory.mktemp("call")) for way in ways))

    return dict(zip(ways, asyncio.run(carry_all()), strict=True))


@each_codec
def test_the_recording_keeps_its_length(codec: str, calls: dict[tuple[str, Disorder], Carried]) -> None:
    undisturbed, disturbed = calls[codec, IN_ORDER], calls[codec, DISORDER]
    assert undisturbed.recorded_ms == CALL_MS
    assert abs(disturbed.recorded_ms - undisturbed.recorded_ms) <= 20


@each_codec
def test_the_account_has_the_counts(codec: str, calls: dict[tuple[str, Disorder], Carried]) -> None:
    carried = calls[codec, DISORDER]
    disorder_counts = carried.report.disorder_counts
    assert min(disorder_counts) >= 1
    came = sorted(set(chunks(carried.report)))
    missing = [later - earlier - 1 for earlier, later in pairwise(came)]
    told = {name: carried.counts.get(name, 0) for name in ("late", "repeated", "holes", "filled_ms")}
    assert told == {
        "late": 0,
        "repeated": disorder_counts.repeated,
        "holes": sum(count > 0 for count in missing),
        "filled_ms": 20 * sum(missing),
    }


@each_codec
def test_without_disorder_there_are_no_counts(codec: str, calls: dict[tuple[str, Disorder], Carried]) -> None:
    assert calls[codec, IN_ORDER].counts.keys() <= {"replies", "round_trip_ms"}


def chunks(report: CallReport) -> list[int]:
    """As they were sent."""
    sent = [json.loads(line.message) for line in report.trace if line.direction == ">"]
    return [int(message["media"]["chunk"]) for message in sent if message["event"] == "media"]


# What waits, and what does not: the dialect and the core by a clock of our own


class Answered:
    """A call to an assistant that is there, from its first chunk on. What is returned is 20 ms pieces of audio."""

    def __init__(self, codec: str) -> None:
        coding = Coding(codec)
        phone = SimulatedTelnyxStream(call_control_id="C1", says=coding)
        self._stream = TelnyxStream(TelnyxSettings())
        self._call = Call(0.0, Limits(), DialogueRules(reorder_ms=self._stream.reorder_ms))
        self._piece = coding.format.bytes_in(20)
        for message in phone.opening():
            self._append(self._stream.decode(message, 0.0), 0.0)
        self._append([AssistantReady(coding.format, coding.format)], 0.0)
        silence = coding.format.silence * coding.format.samples_in(self._piece)
        self._sent = [phone.media("inbound", silence, 20 * n) for n in range(50)]
        self._stop = phone.closing()

    def came(self, chunk: int, now: float) -> float:
        """Chunk 1 is the first."""
        return self._append(self._stream.decode(self._sent[chunk - 1], now), now)

    def stopped(self, now: float) -> list[Event]:
        return [event for event in self._stream.decode(self._stop, now) if isinstance(event, Word)]

    def time_passed(self, now: float) -> float:
        return self._append([*self._stream.due(now), TimePassed()], now)

    @property
    def waits_until(self) -> float | None:
        """For a chunk that is missing."""
        at = [self._stream.deadline(), self._call.deadline()]
        return min((due for due in at if due is not None and due < 0.2), default=None)

    def _append(self, outcomes: Iterable[CarrierOutcome | Event], now: float) -> float:
        events = [outcome for outcome in outcomes if isinstance(outcome, Word)]
        commands = [command for event in events for command in self._call.handle(event, now)]
        return (
            sum(len(command.audio) for command in commands if isinstance(command, AppendAudio)) / self._piece
        )


@each_codec
def test_chunks_in_order_are_passed_on_at_once(codec: str) -> None:
    call = Answered(codec)
    for chunk in range(1, 51):
        assert call.came(chunk, 0.0) == 1
        assert call.waits_until is None


@each_codec
def test_swapped_chunks_are_passed_on_when_both_are_there(codec: str) -> None:
    call = Answered(codec)
    assert [call.came(chunk, 0.02 * n) for n, chunk in enumerate([1, 3, 2, 4, 4, 5])] == [1, 0, 2, 1, 0, 1]
    assert call.waits_until is None


@each_codec
def test_a_lost_chunk_is_waited_for_100_ms_and_then_filled(codec: str) -> None:
    call = Answered(codec)
    assert [call.came(chunk, 0.0) for chunk in (1, 3, 4)] == [1, 0, 0]
    assert call.waits_until == pytest.approx(0.1)
    assert call.time_passed(0.09) == 0
    assert call.time_passed(0.1) == 3
    assert call.waits_until is None
    assert call.came(2, 0.11) == 0
    assert call.came(5, 0.11) == 1


@pytest.mark.parametrize("codec", ["G722", "OPUS"])
def test_chunks_that_wait_at_the_end_are_passed_on(codec: str) -> None:
    call = Answered(codec)
    assert [call.came(chunk, 0.0) for chunk in (1, 3)] == [1, 0]
    assert [type(event) for event in call.stopped(0.0)] == [CallerAudio, CallerAudio, CallEnded]
