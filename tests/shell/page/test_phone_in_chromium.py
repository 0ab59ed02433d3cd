"""The phone in Chromium, whose microphone is a recording: conversations, what is saved of them, and faults."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, async_playwright, expect
from typer.testing import CliRunner

from bridge.cli.app import app
from bridge.config.settings import Settings
from bridge.observers.trace import read_trace
from bridge.shell.server import Server
from bridge.simulators.openai.script import read_script
from bridge.simulators.openai.server import SimulatedOpenAI

FIXTURES = Path(__file__).parents[3] / "fixtures"
CHROMIUM = shutil.which("chromium")
CALM: dict[str, Any] = {"port": 0, "limits": {"max_lag_ms": 60_000, "drain_s": 0.0}}
"""A machine that is busy with a browser still takes calls."""

SOON_MS = 15_000

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
    pytest.mark.asyncio(loop_scope="module"),
]

KEEPS_CONTEXTS = """
const Known = window.AudioContext;
window.contexts = [];
window.AudioContext = class extends Known { constructor(...given) { super(...given); window.contexts.push(this); } };
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """A browser into whose microphone the caller of the demo talks, from the moment it is opened."""
    flags = [
        "--no-sandbox",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={FIXTURES / 'talk-over.wav'}%noloop",
        "--autoplay-policy=no-user-gesture-required",
    ]
    expect.set_options(timeout=SOON_MS)
    await asyncio.to_thread(int)  # the loop keeps its thread as long as the browser is open
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        try:
            yield opened
        finally:
            await opened.close()


async def opened(browser: Browser, port: int, script: str = "") -> Page:
    """The phone's page. An error in a script fails the test."""
    page = await (await browser.new_context()).new_page()
    page.set_default_timeout(SOON_MS)
    page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
    if script:
        await page.add_init_script(script)
    await page.goto(f"http://127.0.0.1:{port}/phone")
    await expect(page.locator("#assistant option")).not_to_have_count(0)
    return page


async def called(page: Page, assistant: str = "") -> None:
    if assistant:
        await page.select_option("#assistant", assistant)
    await page.click("#call")
    await expect(page.locator("#phone-status")).to_contain_text("You are in the call")


async def saved(page: Page, folder: Path, name: str = "saved") -> Path:
    """Hang up, and press "Save as test"."""
    await page.click("#hang-up")
    await expect(page.locator("#phone-status")).to_have_text("You hung up.")
    async with page.expect_download() as download:
        await page.click("#save")
    file = folder / f"{name}.trace.jsonl"
    assert (await download.value).suggested_filename.endswith(".trace.jsonl")
    await (await download.value).save_as(file)
    return file


def replayed(*arguments: str) -> None:
    """`voicebridge replay --dry` does the same again."""
    result = CliRunner().invoke(app, ["replay", "--dry", *arguments])
    assert result.exit_code == 0, result.output
    assert "the same" in result.output


async def heard_ms(page: Page) -> int:
    """How much of its reply the assistant was told the caller heard, as the page shows it."""
    told = page.locator(".event-told").last
    await expect(told).to_contain_text("The assistant was told that you heard")
    found = re.search(r"heard (\d+) ms", await told.inner_text())
    assert found is not None
    return int(found[1])


async def not_played_ms(page: Page) -> int:
    found = re.search(r"interrupted: (\d+) ms", await page.locator(".event-clear").first.inner_text())
    assert found is not None
    return int(found[1])


async def test_a_conversation_with_the_parrot(browser: Browser, tmp_path: Path) -> None:
    """`serve` without any settings: the parrot answers, is interrupted, and plays a key."""
    async with Server(Settings.model_validate(CALM)).running() as server:
        page = await opened(browser, server.port)
        await called(page)
        await page.click("#keys button:nth-child(5)")
        await expect(page.locator(".event-clear")).to_contain_text("You interrupted")
        heard, dropped = await heard_ms(page), await not_played_ms(page)
        assert re.fullmatch(r"\d+ ms", await page.inner_text("#wait"))
        assert int(await page.inner_text("#marks")) > 5
        file = await saved(page, tmp_path)
    replayed(str(file))
    trace = read_trace(file.read_bytes())
    assert not trace.is_cut_off
    said = [json.loads(bytes(line.message)) for line in trace.lines if line.message and line.leg == "carrier"]
    assert [one["dtmf"]["digit"] for one in said if one["event"] == "dtmf"] == ["5"]
    assert said[-1]["event"] == "stop"
    sent_ms = played_before_clear_ms(said)
    assert heard + dropped == pytest.approx(sent_ms, abs=150), "what the speaker played is what it was told"


def played_before_clear_ms(messages: list[dict[str, Any]]) -> float:
    """The length of the reply that is behind the last mark that returned before the clear, or was cleared with it."""
    clear = next(number for number, one in enumerate(messages) if one["event"] == "clear")
    reply: list[int] = []
    for one in reversed(messages[:clear]):
        if one["event"] == "media" and one["media"].get("track") is None:
            reply.append(len(one["media"]["payload"]) // 4 * 3)
        elif one["event"] == "media" and reply:
            break
    return sum(reply) / 8


async def test_a_conversation_with_openai(browser: Browser, tmp_path: Path) -> None:
    """The simulator of OpenAI Realtime answers with words, and is told how much was heard when it is interrupted."""
    script = read_script(FIXTURES / "receptionist.toml")
    async with SimulatedOpenAI(script).running() as openai:
        table = {
            "kind": "openai-realtime",
            "base_url": openai.url,
            "api_key": "sk-test",
            "greeting": "Hello?",
        }
        settings = CALM | {"assistant": "receptionist", "assistants": {"receptionist": table}}
        async with Server(Settings.model_validate(settings)).running() as server:
            page = await opened(browser, server.port)
            await called(page)
            words = page.locator(".event-words")
            await expect(words.filter(has_text="You: I would like to book")).to_be_visible(timeout=SOON_MS)
            await expect(words.filter(has_text="Assistant: Of course.")).to_be_visible()
            told_ms = await heard_ms(page)
            assert 300 < told_ms < 3_000
            file = await saved(page, tmp_path)
    beside = tmp_path / "settings.toml"
    beside.write_text(
        'assistant = "receptionist"\n[assistants.receptionist]\nkind = "openai-realtime"\ngreeting = "Hello?"\n'
    )
    replayed(str(file), "--settings", str(beside))
    sent = [
        json.loads(bytes(line.message))
        for line in read_trace(file.read_bytes()).lines
        if line.to == "assistant"
    ]
    truncated = [one["audio_end_ms"] for one in sent if one["type"] == "conversation.item.truncate"]
    assert told_ms in truncated


async def test_the_delay_from_mouth_to_ear_is_measured(browser: Browser) -> None:
    async with Server(Settings.model_validate(CALM)).running() as server:
        page = await opened(browser, server.port)
        await called(page, "echo")
        await expect(page.locator("#delay")).to_have_text(re.compile(r"^\d+ ms$"))
        delay_ms = int((await page.inner_text("#delay")).removesuffix(" ms"))
        assert 20 + 60 < delay_ms < 1_000, "a frame and the jitter buffer at least"
        await page.click("#hang-up")


class Cable:
    """A network between the page and the server, which can be cut."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Cable"]:
        listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = listener.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            listener.close()
            self.cut()
            await asyncio.sleep(0.1)

    def cut(self) -> None:
        self._is_cut = True
        for writer in [*self._writers]:
            writer.transport.abort()

    def mend(self) -> None:
        self._is_cut = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers |= {writer, back}
        await asyncio.gather(self._carry(reader, back), self._carry(there, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()
            self._writers.discard(writer)


async def test_the_call_goes_on_after_the_network_was_cut_for_3_s(browser: Browser) -> None:
    async with Server(Settings.model_validate(CALM)).running() as server:
        async with Cable(server.port).running() as cable:
            page = await opened(browser, cable.port)
            status = page.locator("#phone-status")
            await called(page, "echo")
            cable.cut()
            await expect(status).to_contain_text("The network was cut")
            await asyncio.sleep(3.0)  # what is tested
            assert server.admission.calls == 1
            cable.mend()
            await expect(status).to_contain_text("You are in the call")
            await expect(page.locator("#events")).to_contain_text("The network is back")
            marks = int(await page.inner_text("#marks"))
            await expect(page.locator("#marks")).not_to_have_text(f"{marks}")
            assert server.admission.calls == 1
            await page.click("#hang-up")


async def test_a_tab_whose_sound_is_paused_says_so_and_goes_on(browser: Browser) -> None:
    async with Server(Settings.model_validate(CALM)).running() as server:
        page = await opened(browser, server.port, KEEPS_CONTEXTS)
        await called(page, "echo")
        await page.evaluate("window.contexts.at(-1).suspend()")
        await expect(page.locator("#phone-status")).to_contain_text("paused the sound of this tab")
        await page.click("#resume")
        await expect(page.locator("#phone-status")).to_contain_text("You are in the call")
        marks = int(await page.inner_text("#marks"))
        await expect(page.locator("#marks")).not_to_have_text(f"{marks}")
        await page.click("#hang-up")


Make = Callable[[Page, Server], Awaitable[None]]


async def away(page: Page, _server: Server) -> None:
    await page.route("**/phone/calls", lambda route: route.abort())


async def closing(_page: Page, server: Server) -> None:
    server.admission.refuse_new_calls()


async def not_let_in(page: Page, _server: Server) -> None:
    """The token is not good any more when the socket is opened."""

    async def spoil(route: Route) -> None:
        answer = await route.fetch()
        placed = await answer.json()
        await route.fulfill(response=answer, json=placed | {"url": placed["url"][:-4] + "AAAA"})

    await page.route("**/phone/calls", spoil)


async def other_tab(page: Page, _server: Server) -> None:
    other = await page.context.new_page()
    await other.goto(page.url)
    await expect(other.locator("#assistant option")).not_to_have_count(0)
    await called(other)


async def nothing(_page: Page, _server: Server) -> None:
    """The microphone is what is at fault."""


def microphone(fault: str) -> str:
    return f"navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', '{fault}'));"


FAULTS: dict[str, tuple[str, Make, str]] = {
    "microphone refused": (microphone("NotAllowedError"), nothing, "The microphone was refused. Allow it"),
    "no microphone": (microphone("NotFoundError"), nothing, "There is no microphone. Plug one in"),
    "microphone in use": (microphone("NotReadableError"), nothing, "in use by another program"),
    "server away": ("", away, "The server does not answer."),
    "not let in": ("", not_let_in, "The server did not let the call in"),
    "another tab has the phone": ("", other_tab, "in a call in another tab"),
    "call refused": ("", closing, "The call was refused: the call is not taken"),
}
"""The server takes no calls after the last one."""


async def test_faults_in_words(browser: Browser) -> None:
    async with Server(Settings.model_validate(CALM)).running() as server:
        for name, (script, make, words) in FAULTS.items():
            page = await opened(browser, server.port, script)
            await make(page, server)
            await page.click("#call")
            await expect(page.locator("#phone-status"), name).to_contain_text(words)
            await expect(page.locator("#call"), name).to_be_enabled()
            await page.context.close()
