"""What a test needs that opens a page in a browser: Debian's Chromium, and a server in a thread of its own.

The browser is driven without asyncio, because it would take the loop that other tests need; so the server has one.
"""

import asyncio
import json
import shutil
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from websockets.asyncio.client import ClientConnection, connect

from bridge.config.settings import Settings
from bridge.shell.server import Server
from bridge.vocabulary.events import Event

CHROMIUM = shutil.which("chromium")

Result = TypeVar("Result")


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """A browser without a window. It is closed with the last test of its module: no other loop runs meanwhile."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *flags])
        try:
            yield browser
        finally:
            browser.close()


class Served:
    """A server under way in its thread."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = Settings.model_validate(settings)
        self._loop: asyncio.AbstractEventLoop
        self._is_ready = threading.Event()
        self._stops: asyncio.Event
        self.server: Server
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="server of a page")

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as fault:  # noqa: BLE001  # `start` raises it
            self._fault = fault
        finally:
            self._is_ready.set()

    async def _serve(self) -> None:
        self._loop, self._stops = asyncio.get_running_loop(), asyncio.Event()
        async with Server(self._settings).running() as self.server:
            self._is_ready.set()
            await self._stops.wait()

    def run(self, what: Coroutine[Any, Any, Result]) -> Result:
        """Do this in the server's loop."""
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    def start(self) -> None:
        self._thread.start()
        assert self._is_ready.wait(10)
        if self._fault is not None:
            raise self._fault

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stops.set)
        self._thread.join(15)


@contextmanager
def serving(settings: dict[str, Any]) -> Iterator[Served]:
    """A server with these settings."""
    served = Served(settings)
    served.start()
    try:
        yield served
    finally:
        served.stop()


def opened_page(context: BrowserContext) -> Page:
    """A page on which a fault of a script, or something that the policy forbids, fails the test."""
    page = context.new_page()
    page.on("pageerror", lambda fault: pytest.fail(f"a script failed: {fault}"))
    return page


class Phone:
    """A call under way, on a media socket. `parameters`: of its stream, as the carrier's document gives them."""

    def __init__(self, served: Served, call_id: str, **parameters: str) -> None:
        self.served, self.call_id, self.parameters = served, call_id, parameters
        self.socket: ClientConnection

    def __enter__(self) -> "Phone":
        self.served.run(self._begin())
        return self

    def __exit__(self, *_fault: object) -> None:
        self.served.run(self.socket.close())
        self.served.run(self._until_over())

    async def _begin(self) -> None:
        self.socket = await connect(f"{self.served.address.replace('http', 'ws')}/twilio/media")
        line = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        start: dict[str, Any] = {
            "streamSid": f"MZ{self.call_id}",
            "callSid": self.call_id,
            "tracks": ["inbound"],
        }
        start |= {"mediaFormat": line, "customParameters": self.parameters}
        said = {"event": "start", "sequenceNumber": "1", "streamSid": f"MZ{self.call_id}", "start": start}
        await self.socket.send(json.dumps(said))

    async def _until_over(self) -> None:
        while self.served.server.admission.live.find(self.call_id) is not None:
            await self.served.server.admission.idle()

    def hears(self, event: Event) -> None:
        """The assistant says that it heard, or says, something."""

        async def tell() -> None:
            self.served.server.admission.active.tell("twilio", self.call_id, event)

        self.served.run(tell())

    def is_closed(self) -> bool:
        async def closed() -> bool:
            async with asyncio.timeout(3):
                await self.socket.wait_closed()
            return True

        return self.served.run(closed())


def log_in(page: Page, token: str, path: str = "/") -> None:
    page.goto(path)
    page.get_by_label("Control token").fill(token)
    page.get_by_role("button", name="Log in").click()
