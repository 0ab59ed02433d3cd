"""Calls side by side over real sockets: none hears another."""

import numpy as np

from bridge.simulators.phone.call import place_call
from bridge.simulators.phone.plan import CallPlan
from bridge.simulators.phone.report import CallReport
from tests.punctual import Round, carried_in_time
from tests.shell.test_server import OPEN, noise, replied, server


async def test_many_calls_at_once_do_not_mix() -> None:
    async with server(OPEN).running() as running:
        said = [np.roll(np.frombuffer(noise(0.4), np.uint8), 97 * n).tobytes() for n in range(8)]
        url = f"ws://127.0.0.1:{running.port}/twilio/media"

        async def carry(call: int, this: Round) -> CallReport:
            async with this.lines:
                return await place_call(url, CallPlan(said[call], linger_s=0.1))

        reports = await carried_in_time(len(said), carry, lambda report: report.latest_ms, (8, 4, 1))
    for audio, report in zip(said, reports, strict=True):
        assert isinstance(report, CallReport)
        assert audio in replied(report)
