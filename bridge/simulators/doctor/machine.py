"""Examines this machine: codecs, file descriptors, folders and their space; and the shape of the keys."""

import re
import shutil
from collections.abc import Iterator
from math import inf
from pathlib import Path

import numpy as np
from pydantic import SecretStr

from bridge.carriers.registry import CARRIERS
from bridge.config.settings import Settings
from bridge.shell.descriptors import descriptor_limit
from bridge.simulators.doctor.findings import Finding, Findings, Group
from telecodecs import mp3
from telecodecs.codec import decoder, encoder
from telecodecs.format import PCMA_8K, PCMU_8K, AudioFormat, Samples
from telecodecs.packets import CodecMissing, PacketCodec, packet_decoder, packet_encoder

FEW_DESCRIPTORS = 1024
"""Below this about a hundred calls fit, and bursts of webhooks are felt."""

TOO_FEW_DESCRIPTORS = 128

DESCRIPTORS_A_CALL = 8

LEAST_FREE_BYTES = 1_000_000_000
"""A recording of one hour has 115 MB."""

LEAST_LIKENESS = 0.98
"""Correlation of a tone with itself after a round trip; companding and compression leave more than this."""

TONE_HZ, RATE_HZ = 440, 16_000


def look_at_keys(settings: Settings) -> list[Finding]:
    """The keys that are set have the shape that their owner's have. Whether they are accepted shows in other groups."""
    findings = Findings(Group.KEYS)
    for name, kind in CARRIERS.items():
        table = settings.carrier(name)
        variables = {setting: variable for variable, setting in kind.environment.items()}
        for setting in dict.fromkeys(kind.environment.values()):
            value = getattr(table, setting)
            text = value.get_secret_value() if isinstance(value, SecretStr) else value
            if text is None:
                continue
            where = f"{name}.{setting}"
            pattern, words = kind.expected.get(setting, (".+", ""))
            if kind.published.get(setting) == text:
                findings.warning(
                    where,
                    "It is the key of the simulator, which everybody knows.",
                    f"Set {variables[setting]} to your own before a carrier brings calls.",
                )
            elif re.fullmatch(pattern, text) is None:
                findings.warning(
                    where,
                    f"It does not look like one of {kind.title}'s: expected {words}.",
                    f"Copy it again from {kind.title}'s portal into {variables[setting]}.",
                )
            else:
                findings.ok(where, "It has the right shape.")
    for number, key in enumerate(settings.security.token_keys, start=1):
        text = key.get_secret_value()
        if len(set(text)) < MOST_ALIKE:
            findings.warning(
                f"security.token_keys[{number}]",
                "It has few different characters, so it can be guessed.",
                "Make one with: openssl rand -hex 32",
            )
        else:
            findings.ok(f"security.token_keys[{number}]", "It has the right shape.")
    if not findings.all:
        findings.skipped("keys", "No key of a carrier is set.")
    return findings.all


MOST_ALIKE = 8
"""A secret with fewer different characters than this was typed, not drawn."""


def look_at_machine(settings: Settings) -> list[Finding]:
    """Codecs, file descriptors and folders."""
    findings = Findings(Group.MACHINE)
    for line in (PCMU_8K, PCMA_8K):
        _round_trip(findings, line)
    for codec in PacketCodec:
        _packet_codec(findings, codec)
    try:
        mp3.check_installed()
        findings.ok("mp3", "It is installed.")
    except CodecMissing as missing:
        findings.ok("mp3", f"It is not installed, and nothing asks for it: {missing}.")
    _descriptors(findings, descriptor_limit())
    for name, folder in _folders(settings):
        _space(findings, name, folder)
    return findings.all


def _tone(rate_hz: int, seconds: float = 0.4) -> Samples:
    times = np.arange(int(rate_hz * seconds)) / rate_hz
    return np.asarray(np.sin(2 * np.pi * TONE_HZ * times) * 8000, dtype=np.int16)


def likeness(one: Samples, other: Samples) -> float:
    """The best correlation of two signals, whatever the delay between them; 1 is the same."""
    length = min(len(one), len(other))
    if not length or not np.any(other):
        return 0.0
    a, b = one[:length].astype(np.float64), other[:length].astype(np.float64)
    products = np.correlate(a, b[length // 4 : -length // 4 or None], "valid")
    norm = np.linalg.norm(a) * np.linalg.norm(b[length // 4 : -length // 4 or None]) / np.sqrt(2)
    return float(np.max(np.abs(products)) / norm) if norm else 0.0


def _round_trip(findings: Findings, line: AudioFormat) -> None:
    tone = _tone(line.rate_hz)
    if (like := likeness(tone, decoder(line)(encoder(line)(tone)))) >= LEAST_LIKENESS:
        findings.ok(str(line.encoding.value), "A tone comes through encoding and decoding.")
    else:
        _broken(findings, str(line.encoding.value), like)


def _packet_codec(findings: Findings, codec: PacketCodec) -> None:
    if codec is PacketCodec.AMR_WB:
        _decoder_alone(findings, codec)
        return
    try:
        encoding, decoding = packet_encoder(codec, RATE_HZ), packet_decoder(codec, RATE_HZ)
    except CodecMissing as missing:
        findings.ok(codec.value, f"It is not installed, and nothing asks for it: {missing}.")
        return
    tone = _tone(RATE_HZ)
    step = RATE_HZ // 50
    heard = [decoding.decode(encoding.encode(tone[at : at + step])) for at in range(0, len(tone), step)]
    if (like := likeness(tone, np.concatenate(heard))) >= LEAST_LIKENESS:
        findings.ok(codec.value, "A tone comes through encoding and decoding.")
    else:
        _broken(findings, codec.value, like)


def _decoder_alone(findings: Findings, codec: PacketCodec) -> None:
    try:
        packet_decoder(codec, RATE_HZ)
        findings.ok(codec.value, "It can be decoded; nothing encodes it.")
    except CodecMissing as missing:
        findings.ok(codec.value, f"It is not installed, and nothing asks for it: {missing}.")


def _broken(findings: Findings, name: str, like: float) -> None:
    findings.fault(
        name,
        f"A tone does not come through encoding and decoding (likeness {like:.2f}).",
        "Install the package again: its libraries do not fit this machine.",
    )


def _descriptors(findings: Findings, limit: float) -> None:
    calls = "" if limit == inf else f" for about {max(0, int(limit) - 32) // DESCRIPTORS_A_CALL} calls"
    remedy = "Raise it: ulimit -n 65536, LimitNOFILE=65536 of systemd, --ulimit nofile=65536 of Docker."
    if limit < TOO_FEW_DESCRIPTORS:
        findings.fault("file descriptors", f"The limit is {limit:g},{calls or ' too few'}.", remedy)
    elif limit < FEW_DESCRIPTORS:
        findings.warning("file descriptors", f"The limit is {limit:g},{calls}.", remedy)
    else:
        shown = "There is no limit." if limit == inf else f"The limit is {limit:g}, enough{calls}."
        findings.ok("file descriptors", shown)


def _folders(settings: Settings) -> Iterator[tuple[str, Path]]:
    for name, folder in (
        ("journal.directory", settings.journal.directory),
        ("recording.directory", settings.recording.directory),
        ("capture.directory", settings.capture.directory),
    ):
        if folder is not None:
            yield name, folder


def _space(findings: Findings, name: str, folder: Path) -> None:
    """That it can be written is found with the settings."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        findings.fault(
            name,
            f"{folder} cannot be used: {error.strerror}.",
            "Make the folder, and give the server's user the right to write there.",
        )
        return
    shown = f"{folder} has {free / 1e9:.1f} GB free"
    if free < LEAST_FREE_BYTES:
        findings.warning(
            name, f"{shown}; an hour of calls takes 0.1 GB each.", "Make space, or set retention_days."
        )
    else:
        findings.ok(name, f"{shown}.")
