"""Finds and reads what the callers say: WAV files, and traces of calls (`.jsonl`, see `phone.trace`).

A WAV of several channels is mixed into one, another rate is resampled; no more is read than a call can say. Of a trace the
caller's audio is taken, each piece at its own timestamp, and the keys.
"""

import struct
from base64 import b64decode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from bridge.simulators.load.plan import LoadPlan
from bridge.simulators.load.talk import Talk, make_talk
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.codec import decoder, encoder
from telecodecs.format import PCMA_8K, PCMU_8K, AudioFormat, Encoding
from telecodecs.resample import resample
from telecodecs.wav import wav_decode

KINDS = (".wav", ".jsonl")
HEAD_BYTES = 65_536
"""Where a WAV file's format stands."""

_BYTES_PER_S = struct.Struct("<8xI")  # in the chunk "fmt "
_KEYS = frozenset("0123456789*#ABCD")
_G711 = {"audio/x-mulaw": PCMU_8K, "pcmu": PCMU_8K, "pcma": PCMA_8K, "audio/x-alaw": PCMA_8K}


def find_recordings(place: Path) -> tuple[str, ...]:
    """The file, or all recordings of a folder in the order of their names. Raises `ConfigurationError`."""
    if place.is_dir():
        found = tuple(
            str(file) for file in sorted(place.iterdir()) if file.suffix.lower() in KINDS and file.is_file()
        )
        if not found:
            raise ConfigurationError(
                f"--audio {place}: there is no recording in this folder: expected .wav or .jsonl"
            )
        return found
    if not place.exists():
        raise ConfigurationError(f"--audio {place}: there is no such file or folder")
    return (str(place),)


def longest_call_s(plan: LoadPlan) -> float:
    """How much of a recording a call can say."""
    return min(plan.call_s or plan.duration_s, plan.duration_s)


def check_recordings(plan: LoadPlan, line: AudioFormat) -> None:
    """Read all recordings of the plan once, before anything begins. Raises `ConfigurationError`, naming the file."""
    for file in plan.audio:
        talk = read_recording(file, line, longest_call_s(plan))
        if plan.barge_in and not talk.beginnings:
            raise ConfigurationError(
                f"--barge-in: there is no speech in {file} with which a caller could interrupt"
            )


def read_recording(file: str, line: AudioFormat, longest_s: float) -> Talk:
    """The recording in the format of `line`, at most `longest_s` of it. Raises `ConfigurationError`, naming the file."""
    path = Path(file)
    try:
        if path.suffix.lower() == ".jsonl":
            return _read_trace(path, line, longest_s)
        return make_talk(file, _read_wav(path, line, longest_s), line)
    except OSError as error:
        raise ConfigurationError(f"--audio {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigurationError(f"--audio {path}: {error}") from error


def _read_wav(path: Path, line: AudioFormat, longest_s: float) -> bytes:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        rest = file.read(max(int(_bytes_per_s(head) * longest_s), 0))
    samples, rate_hz = wav_decode(head + rest)
    return encoder(line)(resample(samples[: int(longest_s * rate_hz)], rate_hz, line.rate_hz))


def _bytes_per_s(head: bytes) -> int:
    """How many bytes a second of the file has; whether its header is sound, `wav_decode` says."""
    at = head.find(b"fmt ")
    if at < 0 or len(head) < at + 8 + _BYTES_PER_S.size:
        return 0
    (per_s,) = _BYTES_PER_S.unpack_from(head, at + 8)
    return min(int(per_s), 10_000_000)


def _read_trace(path: Path, line: AudioFormat, longest_s: float) -> Talk:
    """The caller's side of a call that was recorded."""
    audio, digits = bytearray(), []
    plays, most = PCMU_8K, line.bytes_in(int(longest_s * 1000))
    for at_ms, message in _to_bridge(path):
        match message:
            case {"event": "start", "start": {"mediaFormat": form} | {"media_format": form}}:
                plays = _format(form, path)
            case {"event": "media", "media": {"payload": str(payload), **media}}:
                if media.get("track", "inbound") == "inbound" and len(audio) < most:
                    _place(audio, _converted(payload, plays, line), media.get("timestamp"), line)
            case {"event": "dtmf", "dtmf": {"digit": str(key)}} if key in _KEYS:
                digits.append((round(at_ms), key))
    if not audio:
        raise ConfigurationError(
            f"--audio {path}: the trace has no audio of the caller: expected messages `media`"
        )
    return make_talk(str(path), bytes(audio[:most]), line, tuple(digits))


def _to_bridge(path: Path) -> Iterator[tuple[float, Mapping[str, Any]]]:
    """Each message to the server with its time in ms. A last line that is cut off is left out."""
    lines = path.read_bytes().splitlines()
    for number, text in enumerate(lines, 1):
        try:
            entry = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            if number == len(lines) > 1:
                return
            raise ValueError(f"line {number} is not JSON: expected a trace of a call") from None
        match entry:
            case {"to": "bridge", "at_ms": int() | float() as at_ms, "message": dict() as message}:
                yield at_ms, message


def _format(form: Any, path: Path) -> AudioFormat:
    """The format that the message `start` names."""
    match form:
        case {"encoding": str(name)} if name.lower() in _G711:
            return _G711[name.lower()]
        case {"encoding": "L16", "sample_rate": int(rate_hz)}:
            return AudioFormat(Encoding.L16, rate_hz)
    raise ConfigurationError(f"--audio {path}: the trace's audio is {form}: expected PCMU, PCMA or L16")


def _converted(payload: str, plays: AudioFormat, line: AudioFormat) -> bytes:
    audio = b64decode(payload)
    if plays == line:
        return audio
    return encoder(line)(resample(decoder(plays)(audio), plays.rate_hz, line.rate_hz))


def _place(audio: bytearray, piece: bytes, timestamp: Any, line: AudioFormat) -> None:
    """Put a piece where its timestamp says; without one behind the last piece. What is missing is silence."""
    at = len(audio)
    if isinstance(timestamp, int | str) and str(timestamp).isdigit():
        at = line.bytes_in(int(timestamp))
    if at > len(audio):
        audio += line.silence * line.samples_in(min(at, line.bytes_in(24 * 3_600_000)) - len(audio))
    audio[at : at + len(piece)] = piece
