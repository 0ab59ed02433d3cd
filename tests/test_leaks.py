"""The leak check of conftest.py, tried on a suite that leaks and one that does not, in a process of its own."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

SUITE = """
import asyncio, socket, threading, time
import conftest, pytest
from hypothesis import given, strategies

conftest.GRACE_S = 0.3
kept = []

@pytest.fixture(scope="module")
def wide():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server

@pytest.fixture
async def server():
    async def serve(reader, writer):
        await reader.read()
        writer.close()
        await writer.wait_closed()
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        ticking = asyncio.create_task(asyncio.sleep(60))
        yield server.sockets[0].getsockname()
        ticking.cancel()

def test_clean_with_a_socket_of_a_wider_scope(wide):
    kept.append(socket.create_connection(wide.getsockname()))
    kept.pop().close()

async def test_clean_connection(server):
    reader, writer = await asyncio.open_connection(*server)
    writer.close()
    await writer.wait_closed()

async def test_clean_executor():
    await asyncio.to_thread(time.sleep, 0.01)
    await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80)

async def test_clean_task_told_to_end():
    asyncio.create_task(asyncio.sleep(60)).cancel()

def test_clean_thread_about_to_end():
    threading.Thread(target=time.sleep, args=[0.05]).start()

def test_clean_thread_of_a_dropped_executor():
    asyncio.run(asyncio.to_thread(time.sleep, 0.01))

@given(strategies.binary())
def test_clean_property(data): pass

@given(strategies.binary())
async def test_clean_property_in_a_loop(data):
    await asyncio.sleep(0)

def test_leaks_socket():
    kept.append(socket.create_server(("127.0.0.1", 0)))

async def test_leaks_task():
    asyncio.create_task(asyncio.sleep(60), name="forgotten-task")

def test_leaks_thread():
    threading.Thread(target=time.sleep, args=[60], name="forgotten-thread", daemon=True).start()

def test_clean_after_the_leaks(): pass
"""
CLEAN, LEAKING = SUITE.count("def test_clean"), SUITE.count("def test_leaks")

LOOPS = {
    "asyncio": "import asyncio; new_loop = asyncio.SelectorEventLoop",
    "uvloop": "import uvloop; new_loop = uvloop.Loop",
}
LOOP = """
def pytest_asyncio_loop_factories(config, item):
    return {"here": new_loop}
"""


@pytest.mark.parametrize("loop", LOOPS)
def test_names_what_leaked_and_passes_what_did_not(pytester: pytest.Pytester, loop: str) -> None:
    leak_check = Path(__file__).with_name("conftest.py").read_text(encoding="utf-8")
    pytester.makeconftest(f"{leak_check}\n{LOOPS[loop]}\n{LOOP}")
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-o", "asyncio_mode=auto")
    result.assert_outcomes(passed=CLEAN + LEAKING, errors=LEAKING)
    assert result.stdout.str().count("ERROR at teardown of test_leaks") == LEAKING
    result.stdout.fnmatch_lines_random(
        [
            "left behind: socket * (AF_INET, ('127.0.0.1', *))",
            "left behind: task forgotten-task *",
            "left behind: thread forgotten-thread",
        ]
    )
