"""A server and a simulated Telnyx that are set for each other, both on loopback."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.simulators.carriers.telnyx.calls import TelnyxCall
from bridge.simulators.carriers.telnyx.server import SimulatedTelnyx


class Both(NamedTuple):
    """The two parties."""

    server: Server
    simulator: SimulatedTelnyx
    folder: Path

    def ring(self) -> TelnyxCall:
        """Somebody calls."""
        return self.simulator.ring(self.url("/telnyx/webhook"))

    def url(self, path: str) -> str:
        """A URL of the server."""
        return f"{self.server.admission.public_url}{path}"

    def commands(self) -> list[str]:
        """What Telnyx was asked to do, and did."""
        return [command.name for command in self.simulator.commands if command.status == 200]

    def journal(self, what: str = "") -> list[dict[str, Any]]:
        """The lines of all calls' journals, or those of one kind."""
        files = sorted(self.folder.glob("*.jsonl"))
        lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        return [line for line in lines if not what or line["what"] == what]


Meet = Callable[..., AbstractAsyncContextManager[Both]]


@pytest.fixture
def meet(tmp_path: Path) -> Meet:
    """`settings`: of the server; the other arguments are the simulated Telnyx's. The server closes first."""

    @asynccontextmanager
    async def run(*args: Any, settings: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[Both]:
        async with SimulatedTelnyx(*args, **options).running() as simulator:
            more = dict(settings or {})
            own = {"public_key": simulator.public_key, "api_key": simulator.api_key, "api_url": simulator.url}
            telnyx = own | more.pop("telnyx", {})
            plain = {"port": 0, "assistant": "echo", "journal": {"directory": tmp_path}, "telnyx": telnyx}
            async with Server(Settings.model_validate(plain | more)).running() as server:
                yield Both(server, simulator, tmp_path)

    return run
