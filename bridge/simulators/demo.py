"""The demonstration: one call between the server and a simulated phone, in one process, on loopback."""

import asyncio
import secrets
import tempfile
from pathlib import Path

from bridge.config.audio_file import read_wav, talk
from bridge.config.settings import Settings
from bridge.observers.timeline import MatplotlibMissing, draw
from bridge.shell.server import Server
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.plan import CallPlan, read_digits
from bridge.simulators.phone.report import CallReport
from bridge.simulators.phone.summary import keep

DIGITS = "4@14.0s,2@14.8s"
"""The keys are pressed after the last reply."""


async def carry(out: Path) -> tuple[CallReport, list[Path], list[str]]:
    """Carry one call with the assistant parrot. Webhook and media socket are authenticated.

    Returns the report, the files written to the folder `out`, and sentences about files that could not be written.
    """
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
        files, notes = await asyncio.to_thread(_gather, report, Path(kept), out)
    return report, files, notes


def _gather(report: CallReport, kept: Path, out: Path) -> tuple[list[Path], list[str]]:
    """Write to `out` what the phone heard, what the server wrote to `kept`, and a picture of both."""
    files = keep(report, out)
    recording, journal, picture = out / "call.wav", out / "journal.jsonl", out / "timeline.png"
    for pattern, file in (("*.wav", recording), ("*.jsonl", journal)):
        (written,) = kept.glob(pattern)
        file.write_bytes(written.read_bytes())
    files += [recording, journal]
    try:
        draw(recording, journal, picture)
    except MatplotlibMissing as missing:
        picture.unlink(missing_ok=True)  # of an earlier call
        return files, [f"no {picture.name}: {missing}"]
    return [*files, picture], []
