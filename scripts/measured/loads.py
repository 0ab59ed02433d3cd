"""Runs `voicebridge load` on a core of its own against one server, and reads what it has measured."""

import os
import subprocess
from pathlib import Path
from statistics import mean

from bridge.config.audio_file import read_wav, write_wav
from bridge.simulators.load.results import RunResults, Second, from_json
from measured.servers import ROOT, TOOL_CORE, VOICEBRIDGE, Server, Setup, on_core
from telecodecs.format import PCMU_8K

CALLS_BEGUN_PER_S = 40
"""How fast calls begin: they must be spread over the seconds, as in life, and not cost half of the run."""

TURN_S, WORD_S = 4.0, 0.9
"""The length of a turn, and of the caller's word in it."""

HAS_RESULTS = frozenset({0, 1, 3})
"""Exit codes of `voicebridge load`: it has measured, whatever the verdict is."""


class LoadFailed(Exception):
    """`voicebridge load` has measured nothing; the text is what it said."""


def load(server: Server, setup: Setup, folder: Path, calls: int, seconds: float, *options: str) -> RunResults:
    """Carry so many calls for so many seconds, when all are there. Raises `LoadFailed`."""
    ramp_s = round(calls / CALLS_BEGUN_PER_S, 2)
    return run(
        server, setup, folder, "--calls", str(calls), "--ramp", str(ramp_s), "--duration", str(ramp_s + seconds), *options
    )  # fmt: skip


def run(server: Server, setup: Setup, folder: Path, *options: str, url: str = "") -> RunResults:
    """One `voicebridge load` with these options. `url`: in place of the media socket. Raises `LoadFailed`."""
    command = [VOICEBRIDGE, "load", url or server.url, "--pid", str(server.pid), "--json", "-"]
    command += ["--measure", setup.kind, "--carrier", setup.carrier, "--audio", str(_speech(setup, folder))]
    if setup.codec:
        command += ["--codec", setup.codec]
    if setup.rate_hz:
        command += ["--rate", str(setup.rate_hz)]
    done = subprocess.run(
        on_core(TOOL_CORE, *command, *options),
        capture_output=True,
        env={**os.environ, **server.environment},
        check=False,
    )
    if done.returncode not in HAS_RESULTS or not done.stdout.startswith(b"{"):
        raise LoadFailed(f"{' '.join(command)}\n{done.stderr.decode(errors='replace')}")
    return from_json(done.stdout)


def _speech(setup: Setup, folder: Path) -> Path:
    """What the callers say: speech without pauses to an echo, else a word in each turn."""
    sentence = ROOT / "fixtures/sentence-en-us-male.wav"
    if setup.kind == "echo":
        return sentence
    file = folder / "word.wav"
    if not file.exists():
        line, audio = PCMU_8K, read_wav(sentence)
        word = audio[line.bytes_in(300) :][: line.bytes_in(int(WORD_S * 1000))]
        turn = word + line.silence * line.samples_in(line.bytes_in(int(TURN_S * 1000)) - len(word))
        write_wav(file, turn * 3)
    return file


def steady(results: RunResults) -> list[Second]:
    """The seconds in which all calls were under way, without the first and the last of them."""
    most = results.totals.most_held
    full = [second for second in results.seconds if second.held == most]
    return full[1:-1] if len(full) > 2 else full


def server_ms(results: RunResults) -> float:
    """Processor time of the server for a second of one call, ms."""
    return mean((second.server_cpu_share or 0.0) * 1000 / max(second.held, 1) for second in steady(results))


def tool_ms(results: RunResults) -> float:
    """Processor time of the load test for a second of one call, ms."""
    return mean(second.own_cpu_share * 1000 / max(second.held, 1) for second in steady(results))
