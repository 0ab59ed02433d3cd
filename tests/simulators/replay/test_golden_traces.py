"""The captured calls in fixtures/traces, replayed without a server: a trace that is put there is a test.

NAME.toml beside NAME.trace.jsonl is the settings with which it is replayed; without it they are the defaults.
"""

from pathlib import Path

import pytest

from bridge.config.settings import load
from bridge.observers.trace import SUFFIX, read_trace
from bridge.simulators.replay.comparison import compare
from bridge.simulators.replay.dry import DryReplay

FOLDER = Path(__file__).parents[3] / "fixtures" / "traces"
TRACES = sorted(FOLDER.glob(f"*{SUFFIX}"))


def replayed(file: Path) -> bytes:
    settings = file.with_name(file.name.removesuffix(SUFFIX) + ".toml")
    trace = read_trace(file.read_bytes(), file.name)
    return DryReplay(trace, load(file=settings, environment={}) if settings.exists() else None).run()


@pytest.mark.parametrize("file", TRACES, ids=lambda file: file.name.removesuffix(SUFFIX))
def test_the_bridge_does_again_what_it_did(file: Path) -> None:
    content = replayed(file)
    comparison = compare(read_trace(file.read_bytes(), file.name), read_trace(content))
    assert comparison.difference is None, comparison.difference.words
    assert comparison.legs["carrier"]["audio_bytes"] > 0
    assert replayed(file) == content, "byte by byte"


def test_there_are_traces() -> None:
    assert len(TRACES) >= 2


def test_no_trace_has_what_somebody_typed_as_sensitive() -> None:
    text = (FOLDER / "telnyx-openai-barge-in.trace.jsonl").read_text(encoding="utf-8")
    assert text.count('"digit":"•"') == 4
    assert "4719" not in text
