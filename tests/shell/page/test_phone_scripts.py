"""The phone's scripts by themselves, in node: the law, the filter, the playout buffer, the dialect and the timeline."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge.carriers.twilio.stream import TwilioStream
from bridge.config.audio_file import read_wav
from bridge.shell.page.web_files import web_files
from bridge.vocabulary.events import CallEnded, CallerAudio, CallStarted, DigitPressed
from telecodecs.g711 import ulaw_decode, ulaw_encode
from telecodecs.resample import Resampler

NODE = shutil.which("node")
ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(NODE is None, reason="needs node: apt-get install nodejs")


def run(name: str, **given: Any) -> Any:
    assert NODE is not None
    script = Path(__file__).with_name("phone_units.mjs")
    asked = json.dumps({"name": name, **given})
    done = subprocess.run(
        [NODE, script], input=asked, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


FILTER: dict[str, Any] = json.loads(web_files()["phone/filter.json"].content)


def test_the_filter_is_the_one_of_telecodecs() -> None:
    script = ROOT / "scripts/phone-filter"
    printed = subprocess.run([sys.executable, script], capture_output=True, timeout=60, check=True).stdout
    assert web_files()["phone/filter.json"].content == printed


def test_mu_law_is_the_one_of_telecodecs() -> None:
    found = run("mulaw")
    samples = np.arange(-32_768, 32_768).astype(np.int16)
    assert found["codes"] == ulaw_encode(samples).tolist()
    assert found["samples"] == ulaw_decode(np.arange(256, dtype=np.uint8)).tolist()


@pytest.mark.parametrize(("name", "from_hz", "to_hz"), [("down", 48_000, 8_000), ("up", 8_000, 48_000)])
def test_a_voice_is_resampled_sample_for_sample_as_by_telecodecs(name: str, from_hz: int, to_hz: int) -> None:
    spoken = ulaw_decode(np.frombuffer(read_wav(ROOT / "fixtures/sentence-en-us-male.wav"), np.uint8))
    loud = np.random.default_rng(1).integers(-32_768, 32_768, 2_400).astype(np.int16)
    voice = np.concatenate([spoken[4_000:12_000], loud])
    found = run(name, taps=FILTER[name], samples=voice.tolist())
    expected = Resampler(from_hz, to_hz).feed(voice[: len(voice) // 6 * 6]).tolist()
    assert found[: len(expected)] == expected


PLAYOUT: list[tuple[str, int, list[tuple[list[Any], Any]]]] = [
    (
        "audio waits until the jitter buffer is full",
        3,
        [
            (["play", [1, 2]], None),
            (["take", 1], {"played": [None], "names": []}),
            (["play", [3]], None),
            (["take", 4], {"played": [1, 2, 3, None], "names": []}),
        ],
    ),
    (
        "or until its time is over",
        3,
        [
            (["play", [1]], None),
            (["take", 5], {"played": [None, None, None, 1, None], "names": []}),
        ],
    ),
    (
        "a mark returns when what is before it was played",
        1,
        [
            (["play", [1, 2]], None),
            (["mark", "a"], []),
            (["play", [3]], None),
            (["mark", "b"], []),
            (["take", 1], {"played": [1], "names": []}),
            (["take", 1], {"played": [2], "names": ["a"]}),
            (["take", 1], {"played": [3], "names": ["b"]}),
        ],
    ),
    ("a mark returns at once where nothing is buffered", 1, [(["mark", "a"], ["a"])]),
    (
        "a clear returns every mark and says what was not played",
        1,
        [
            (["play", [1, 2, 3]], None),
            (["mark", "a"], []),
            (["take", 1], {"played": [1], "names": []}),
            (["clear", None], {"names": ["a"], "dropped": 2}),
            (["take", 1], {"played": [None], "names": []}),
            (["mark", "b"], ["b"]),
        ],
    ),
    (
        "what was cut off returns no mark",
        1,
        [
            (["play", [1]], None),
            (["mark", "a"], []),
            (["cut", None], None),
            (["play", [2]], None),
            (["take", 1], {"played": [2], "names": []}),
        ],
    ),
]


@pytest.mark.parametrize(("jitter", "rows"), [row[1:] for row in PLAYOUT], ids=[row[0] for row in PLAYOUT])
def test_playout(jitter: int, rows: list[tuple[list[Any], Any]]) -> None:
    found = run("playout", jitter=jitter, steps=[step for step, _ in rows])
    assert found == [expected for _, expected in rows]


def test_the_dialect_is_what_the_bridge_reads_of_twilio() -> None:
    server = TwilioStream()
    media = '{"event":"media","streamSid":"MZ1","media":{"payload":"AQI="}}'
    said = [
        media,
        '{"event":"mark","streamSid":"MZ1","mark":{"name":"0.1"}}',
        '{"event":"clear","streamSid":"MZ1"}',
        media.replace("MZ1", "MZ2"),
        "no JSON",
        '{"event":"hello","streamSid":"MZ1"}',
    ]
    found = run("dialect", call="CA1", stream="MZ1", said=said)
    assert found["decoded"] == [{"play": [1, 2]}, {"mark": "0.1"}, {"clear": True}, None, None, None]
    read = [event for message in found["sent"] for event in server.decode(message, 0.0)]
    kinds = [type(event) for event in read[1:]]
    assert kinds == [CallStarted, CallerAudio, DigitPressed, kinds[3], CallEnded]
    assert server.counts() == {}, "every field is in the documented form"
    numbers = [json.loads(message).get("sequenceNumber") for message in found["sent"]]
    assert numbers == [None, "1", "2", "3", "4", "5"]


def speech(what: str, begin_s: float, end_s: float) -> list[list[Any]]:
    return [[what, begin_s + 0.02 * at, -20] for at in range(round((end_s - begin_s) / 0.02))]


TIMELINE: list[tuple[str, list[list[Any]], dict[str, Any]]] = [
    (
        "the wait is from your last sound to its first one",
        [*speech("spoke", 1, 2), *speech("heard", 2.8, 4), *speech("spoke", 4.2, 5), *speech("heard", 6, 7)],
        {"words": [], "waits": [800, 1000], "out": []},
    ),
    (
        "a pause in a reply is no wait, an echo is no reply, and a greeting was not waited for",
        [*speech("heard", 0, 1), *speech("spoke", 1, 2), *speech("heard", 2.06, 2.4)],
        {"words": [], "waits": [], "out": []},
    ),
    (
        "marks that are out, an interruption, and what it was told",
        [
            ["markSent", 1.0, "a"],
            ["markSent", 1.2, "b"],
            ["markBack", 1.4, "a", False],
            ["clear", 1.5, 300],
            ["told", 1.6, 1240],
            ["clear", 2.0, 0],
        ],
        {
            "words": [
                "You interrupted: 300 ms that were sent were not played",
                "The assistant was told that you heard 1240 ms of its reply",
                "The playout was cleared: nothing was left in it",
            ],
            "waits": [],
            "out": ["b"],
        },
    ),
    (
        "words go on with the last ones of the speaker, until a pause",
        [
            ["say", 1.0, "assistant", "Good ", True],
            ["say", 1.1, "you", "Hello"],
            ["say", 1.2, "assistant", "day.", True],
            ["say", 5.0, "assistant", "Yes?", True],
            ["key", 6.0, "5"],
        ],
        {
            "words": ["Assistant: Good day.", "You: Hello", "Assistant: Yes?", "You pressed 5"],
            "waits": [],
            "out": [],
        },
    ),
]


@pytest.mark.parametrize(("steps", "told"), [row[1:] for row in TIMELINE], ids=[row[0] for row in TIMELINE])
def test_timeline(steps: list[list[Any]], told: dict[str, Any]) -> None:
    assert run("timeline", steps=steps) == told
