"""Writes a reply as messages for the WebSocket, with the faults that the script asks for.

Wire: the prefix, directly followed by the whole reply as base64 of mu-law at 8 kHz, without a header.
"""

from binascii import b2a_base64

from bridge.simulators.assistant.script import AssistantFaults
from bridge.vocabulary.contracts import WireMessage
from telecodecs.format import PCMU_8K

OTHER_PREFIX = "_FLAC"
RUBBISH = "this is \N{SNOWMAN} no base64"
NOISE: tuple[WireMessage, ...] = (
    "Good morning!",
    "",
    '{"event":"transcript","text":"good morning"}',
    b"\x00\x01\x02",
    "SINGLE_UTTERANCE_END\n",
    "_TEXTgood morning",
)
"""Messages that the protocol does not have; each is similar to one that it has."""


def reply_frame(prefix: str, audio: bytes) -> str:
    """The message of a reply. `audio`: mu-law at 8 kHz."""
    return prefix + b2a_base64(audio, newline=False).decode()


def reply_frames(prefix: str, audio: bytes, faults: AssistantFaults) -> list[WireMessage]:
    """The messages of a reply with these faults; `reply = "none"` is up to the caller."""
    if faults.reply_bytes is not None:
        length = (faults.reply_bytes - len(prefix)) // 4 * 3
        audio = audio[:length].ljust(length, PCMU_8K.silence)
    frame = reply_frame(prefix, audio)
    match faults.reply:
        case "rubbish":
            frames = [prefix + RUBBISH]
        case "half":
            frames = [frame[: len(prefix) + (len(frame) - len(prefix)) // 8 * 4 + 1]]
        case "mislabelled":
            frames = [OTHER_PREFIX + frame.removeprefix(prefix)]
        case "empty":
            frames = [prefix]
        case "twice":
            frames = [frame, frame]
        case _:
            frames = [frame]
    return [*(NOISE if faults.noise else ()), *frames]
