"""The demonstration: one call between the server and a simulated phone, in one process, on loopback."""

import asyncio
import secrets
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bridge.config.audio_file import read_wav, talk
from bridge.config.settings import Settings
from bridge.observers.timeline import MatplotlibMissing, draw
from bridge.shell.server import Server
from bridge.simulators.interruption import Interruption
from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.plan import CallPlan, read_digits
from bridge.simulators.phone.report import CallReport
from bridge.simulators.phone.summary import keep

DIGITS = "4@14.0s,2@14.8s"
"""The keys are pressed after the last reply."""


RECORDING, JOURNAL, PICTURE = "call.wav", "journal.jsonl", "timeline.png"

LASTS_S = 17
"""How long the call takes, in seconds."""


async def carry(
    out: Path, interruption: Interruption, say: Callable[[str], None]
) -> tuple[CallReport, list[Path], list[str]]:
    """Carry one call with the assistant parrot. Webhook and media socket are authenticated.

    `interruption`: makes the caller hang up; what was recorded until then is kept. `say`: is told what is being done.
    Returns the report, the files written to the folder `out`, and sentences about files that could not be written.
    """
    say("starting a server and a phone on this machine")
    plan = CallPlan(read_wav(talk()), read_digits(DIGITS))
    auth_token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory() as kept, ExitStack() as safe:
        settings = Settings.model_validate(
            {
                "port": 0,
                "twilio": {"auth_token": auth_token},
                "journal": {"directory": kept},
                "recording": {"directory": kept},
                "limits": {"max_lag_ms": 0},  # the one call there is comes also where other programs are busy
            }
        )
        async with Server(settings).running() as server:
            webhook = f"http://{settings.host}:{server.port}/twilio/voice"
            say(f"on the phone for about {LASTS_S} s")
            report = await place_call(webhook, plan, auth_token=auth_token, interruption=interruption)
            safe.enter_context(interruption.kept_out())  # until the server has written its files
        files = _gather(report, Path(kept), out)
    say("drawing the picture")
    picture, notes = await _draw(out)
    return report, [*files, *picture], notes


def _gather(report: CallReport, kept: Path, out: Path) -> list[Path]:
    """Write to `out` what the phone heard, and what the server wrote to `kept`."""
    files = keep(report, out)
    for pattern, file in (("*.wav", out / RECORDING), ("*.jsonl", out / JOURNAL)):
        (written,) = kept.glob(pattern)
        file.write_bytes(written.read_bytes())
        files.append(file)
    return files


async def _draw(out: Path) -> tuple[list[Path], list[str]]:
    """Draw the picture of the recording and the journal in `out`. Returns its file, or why there is none."""
    picture = out / PICTURE
    try:
        await asyncio.to_thread(draw, out / RECORDING, out / JOURNAL, picture)
    except MatplotlibMissing as missing:
        why = str(missing)
    except asyncio.CancelledError:  # by ctrl-C: the other files are there, and the report is still shown
        why = "interrupted"
    else:
        return [picture], []
    picture.unlink(missing_ok=True)  # of an earlier call
    return [], [f"no {picture.name}: {why}"]
