"""Files of calls for a public key: who can read them, what is left on the disk, and when."""

import asyncio
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pyrage
import pytest
from structlog.testing import capture_logs

from bridge.config.settings import Settings
from bridge.observers.call_file import AT_ONCE, CallFile
from bridge.shell.encryption import CHUNK_BYTES, Encryption
from bridge.shell.retention import LEFT_S, Kept, Retention
from bridge.shell.server import Server
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.plan import CallPlan
from bridge.vocabulary.errors import ConfigurationError

STARTED = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
IDENTITY = pyrage.x25519.Identity.generate()
KEY = str(IDENTITY.to_public())


@pytest.fixture
def encrypt() -> Encryption:
    return Encryption(KEY, "journal.encrypt_to")


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, 3 * CHUNK_BYTES + 7])
def test_only_the_private_key_opens_a_file(tmp_path: Path, encrypt: Encryption, size: int) -> None:
    content = os.urandom(size)
    (plain := tmp_path / "a.wav").write_bytes(content)
    assert encrypt(plain)
    assert names(tmp_path) == ["a.wav.age"]
    sealed = tmp_path / "a.wav.age"
    assert sealed.stat().st_mode & 0o777 == 0o600
    assert sealed.read_bytes().startswith(b"age-encryption.org/v1\n-> X25519 ")
    assert pyrage.decrypt(sealed.read_bytes(), [IDENTITY]) == content
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(sealed.read_bytes(), [pyrage.x25519.Identity.generate()])


def test_a_file_is_plain_until_its_call_is_over(tmp_path: Path, encrypt: Encryption) -> None:
    file = CallFile(tmp_path, "CA1", STARTED, ".wav", AT_ONCE, encrypt)
    file.append(b"abc")
    assert names(tmp_path) == ["20261121T083000-CA1.wav"]
    file.close()
    file.close()
    assert names(tmp_path) == ["20261121T083000-CA1.wav.age"]


def test_a_file_without_its_end_is_encrypted_as_well(tmp_path: Path, encrypt: Encryption) -> None:
    file = CallFile(tmp_path, "CA1", STARTED, ".wav", AT_ONCE, encrypt)
    file.append(b"abc")
    file.give_up("the disk is slower than the call")
    assert names(tmp_path) == ["20261121T083000-CA1-truncated.wav.age"]


def test_a_file_that_cannot_be_encrypted_stays(tmp_path: Path, encrypt: Encryption) -> None:
    (plain := tmp_path / "a.wav").write_bytes(b"abc")
    (tmp_path / "a.wav.age.part").mkdir()
    with capture_logs() as lines:
        assert not encrypt(plain)
    assert plain.read_bytes() == b"abc"
    assert [line["event"] for line in lines] == ["= a call's file cannot be encrypted; it stays plain"]


def test_other_threads_go_on_meanwhile(tmp_path: Path, encrypt: Encryption) -> None:
    (plain := tmp_path / "a.wav").write_bytes(os.urandom(40_000_000))  # twenty minutes
    work = threading.Thread(target=encrypt, args=(plain,))
    rounds, started = 0, time.perf_counter()
    work.start()
    while work.is_alive():
        time.sleep(0.001)
        rounds += 1
    assert rounds > 5, "held for the whole of it, there would be one"
    assert names(tmp_path) == ["a.wav.age"], time.perf_counter() - started


async def test_what_a_killed_process_left_plain_is_encrypted_later(
    tmp_path: Path, encrypt: Encryption
) -> None:
    left, active, other, part = (
        tmp_path / name
        for name in (
            "20261121T083000-CA1.wav",
            "20261121T083000-CA2.wav",
            "x.wav",
            "20261121T083000-CA3.wav.age.part",
        )
    )
    long_ago = time.time() - LEFT_S - 60
    for file in (left, active, other, part):
        file.write_bytes(b"abc")
    for file in (left, other, part):
        os.utime(file, (long_ago, long_ago))
    sweeper = Retention([Kept(tmp_path, None, encrypt)], AT_ONCE)
    with capture_logs() as lines:
        sweeper.start()
    sweeper.stop()
    assert names(tmp_path) == ["20261121T083000-CA1.wav.age", "20261121T083000-CA2.wav", "x.wav"]
    assert [line["encrypted"] for line in lines] == [1]


WRONG_CHECKSUM = KEY[:-1] + ("q" if KEY[-1] != "q" else "p")
REFUSED: list[tuple[str, str]] = [
    (WRONG_CHECKSUM, "should be a public key as `age-keygen` prints it"),
]


@pytest.mark.parametrize(("key", "why"), REFUSED, ids=["another checksum"])
def test_a_key_that_cannot_be_one_is_refused_at_the_start(key: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        Encryption(key, "journal.encrypt_to")


def test_without_the_extra_it_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyrage", None)
    with pytest.raises(ConfigurationError, match=r"voicebridge-server\[encryption\]"):
        Encryption(KEY, "journal.encrypt_to")


async def test_a_call_leaves_encrypted_files_alone(tmp_path: Path) -> None:
    kept = {"directory": tmp_path, "encrypt_to": KEY}
    settings = Settings.model_validate(
        {
            "port": 0,
            "assistant": "echo",
            "security": {"allow_unauthenticated": True},
            "journal": kept,
            "recording": kept,
            "capture": kept,
        }
    )
    async with asyncio.timeout(20.0), Server(settings).running() as server:
        await place_call(f"http://127.0.0.1:{server.port}/twilio/voice", CallPlan(b"\xff" * 1_600))
    found = sorted(tmp_path.iterdir())
    assert [file.suffixes for file in found] == [
        [".jsonl", ".age"],
        [".trace", ".jsonl", ".age"],
        [".wav", ".age"],
    ]
    journal, trace, recording = (pyrage.decrypt(file.read_bytes(), [IDENTITY]) for file in found)
    assert journal.startswith(b'{"at":0.000')
    assert trace.startswith(b'{"voicebridge_trace":1')
    assert recording.startswith(b"RIFF")
