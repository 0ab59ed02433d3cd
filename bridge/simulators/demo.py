"""The demonstration: the server and a pretend phone in one process, on loopback, with the doors closed."""

import asyncio
import secrets
import tempfile
from pathlib import Path

from bridge.config.audio_file import read_wav, talk
from bridge.config.settings import Settings
from bridge.observers.timeline import draw
from bridge.shell.server import Server
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.plan import CallPlan, read_digits
from bridge.simulators.phone.report import CallReport
from bridge.simulators.phone.summary import keep

DIGITS = "4@14.0s,2@14.8s"
"""When the last reply has been heard."""


async def carry(out: Path) -> tuple[CallReport, list[Path]]:
    """Carry one call with the parrot; returns its report and the files written to `out`."""
    plan = CallPlan(read_wav(talk()), read_digits(DIGITS))
    auth_token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory() as kept:
        settings = Settings.model_validate(
            {
                "port": 0,
                "twilio": {"auth_token": auth_token},
                "journal": {"directory": kept},
                "recording": {"directory": kept},
            }
        )
        async with Server(settings).running() as server:
            webhook = f"http://{settings.host}:{server.port}/twilio/voice"
            report = await place_call(webhook, plan, auth_token=auth_token)
        files = await asyncio.to_thread(_gather, report, Path(kept), out)
    return report, files


def _gather(report: CallReport, kept: Path, out: Path) -> list[Path]:
    """What the phone heard, and what the server wrote into `kept`, under plain names; and the picture of both."""
    files = keep(report, out)
    recording, journal, picture = out / "call.wav", out / "journal.jsonl", out / "timeline.png"
    for pattern, file in (("*.wav", recording), ("*.jsonl", journal)):
        (written,) = kept.glob(pattern)
        file.write_bytes(written.read_bytes())
    draw(recording, journal, picture)
    return [*files, recording, journal, picture]
