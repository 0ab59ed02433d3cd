"""The wait that the account tells is the silence in the recording: a call with the parrot, in virtual time."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge.assistants.parrot import Parrot
from bridge.config.audio_file import read_wav
from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.engine import COMMANDS, CallEngine
from bridge.core.timers import Limits
from bridge.observers.call_history import build_history, read_journal
from bridge.observers.journal import Journal
from bridge.observers.recording import Recording
from bridge.observers.usage import Accounting, summary
from bridge.simulators.phone.earpiece import Earpiece
from bridge.simulators.phone.latency import turns_ms
from bridge.vocabulary.commands import AppendAudio, ClearPlayback, OpenAssistant, PlayAudio, SendMark
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.events import CallerAudio, CallStarted, MarkReached, TimePassed, Word
from telecodecs.format import PCMU_8K
from tests.observers.accounted import give

TALK = read_wav(Path(__file__).parents[2] / "fixtures" / "talk-over.wav")
QUIET = b"\xff" * 160
CLOSE_MS = 40
LOUD = 231  # -40 dBFS


class Line:
    """A call in virtual time, over a line that takes `way_s` in each direction."""

    def __init__(self, accounting: Accounting, observers: Sequence[Any], way_s: float) -> None:
        self._accounting = accounting
        self._way_s = way_s
        self._parrot = Parrot()
        self.earpiece = Earpiece(PCMU_8K, 0.0)
        self._engine = CallEngine(
            Call(0.0, Limits(), DialogueRules(reorder_ms=0)), [accounting, accounting.waits, *observers]
        )
        self._under_way: list[tuple[float, Any]] = []  # to the phone, and back
        performers: dict[type[Word], Any] = dict.fromkeys(COMMANDS, lambda _command, _now: None)
        performers |= dict.fromkeys([PlayAudio, SendMark, ClearPlayback], self._send)
        performers |= dict.fromkeys([AppendAudio, OpenAssistant], self._tell)
        self._engine.perform_with(performers)

    def _tell(self, command: AppendAudio | OpenAssistant, now: float) -> None:
        if isinstance(command, AppendAudio):
            give(self._accounting, command, now)
        for event in self._parrot.encode(command, now):
            self._engine.handle(event, now)

    def _send(self, command: Word, now: float) -> None:
        self._under_way.append((now + self._way_s, command))

    def carry(self, audio: bytes) -> list[float]:
        """Returns when each frame was sent."""
        self._engine.handle(CallStarted("CA1", "MZ1", PCMU_8K), 0.0)
        sent_at = []
        for tick in range(len(audio) // 160 * 20):
            now = tick / 1000
            if tick % 20 == 0:
                frame = audio[tick * 8 : tick * 8 + 160]
                sent_at.append(now)
                self._under_way.append((now + self._way_s, CallerAudio(frame, tick)))
            self._deliver(now)
            self._marks(self.earpiece.advance(now), now)
            if (due := self._engine.deadline) is not None and due <= now:
                self._engine.handle(TimePassed(), now)
        return sent_at

    def _marks(self, names: list[str], now: float) -> None:
        self._under_way += [(now + self._way_s, MarkReached(name)) for name in names]

    def _deliver(self, now: float) -> None:
        due = [word for at, word in self._under_way if at <= now]
        self._under_way = [(at, word) for at, word in self._under_way if at > now]
        for word in due:
            match word:
                case PlayAudio(audio):
                    self.earpiece.play(audio, now)
                case SendMark(name):
                    self._marks(self.earpiece.mark(name, now), now)
                case ClearPlayback():
                    self._marks(self.earpiece.clear(now), now)
                case event:
                    self._engine.handle(event, now)


def gaps_ms(recording: Path) -> list[float]:
    """The silences between the caller's voice and the other one, in what was recorded; by the root mean square of 5 ms."""
    stereo = np.frombuffer(recording.read_bytes()[44:], "<i2").reshape(-1, 2).astype(np.float64)
    loud = np.sqrt((stereo[: len(stereo) // 40 * 40].reshape(-1, 40, 2) ** 2).mean(axis=1)) > LOUD
    caller, other = (np.flatnonzero(loud[:, side]) * 5 for side in (0, 1))
    begins = [at for at, before in zip(other[1:], other, strict=False) if at - before > 500]
    ends = [caller[caller < at][-1] + 5 for at in begins if np.any(caller < at)]
    return [float(begin - end) for begin, end in zip(begins[-len(ends) :], ends, strict=True)]


@pytest.mark.parametrize("way_ms", [0, 7, 60])
def test_summary_picture_journal_log_account_and_recording_tell_one_wait(tmp_path: Path, way_ms: int) -> None:
    started = datetime(2026, 11, 21, tzinfo=UTC)
    accounting, journal, recording = Accounting(), Journal(tmp_path, started), Recording(tmp_path, started)
    line = Line(accounting, [journal, recording], way_ms / 1000)
    said = TALK + QUIET * 250
    sent_at = line.carry(said)
    account: Account = accounting.account({})
    for observer in (journal, recording):
        observer.close(20.0, account)

    (wav,), (lines,) = tmp_path.glob("*.wav"), tmp_path.glob("*.jsonl")
    waits_ms = [turn.wait_ms for turn in account.turns if turn.wait_ms is not None]
    assert len(waits_ms) == 2
    history = build_history(read_journal(lines))
    assert [wait.length_s * 1000 for wait in history.waits] == pytest.approx(waits_ms, abs=0.5)
    told = summary(account)
    assert (told["wait_ms_p50"], told["wait_ms_max"]) == (min(waits_ms), max(waits_ms))
    assert f"median {min(waits_ms) / 1000:.2f} s (" in history.summary()

    by_phone = turns_ms(PCMU_8K, said, sent_at, PCMU_8K, line.earpiece.heard)
    assert by_phone == pytest.approx(waits_ms, abs=CLOSE_MS)
    # The recording is made here: it does not know how long the line to the caller is.
    recorded = [gap + 2 * way_ms for gap in gaps_ms(wav)]
    assert recorded == pytest.approx(waits_ms, abs=CLOSE_MS)
