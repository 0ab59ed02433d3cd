"""Where people are set, a call on a running server asks how it goes on when its stream has ended."""

from bridge.shell.handles import owner_in
from bridge.shell.server import Server
from tests.shell.test_one_stream_a_call import closed, echoes, post, server, started

PEOPLE = {"billing": {"to": ["+15550111"]}}


async def connected(running: Server) -> tuple[str, str]:
    """Where the call's stream is expected, and the path that it asks after it."""
    status, twiml = await post(running, "/twilio/voice")
    assert status == 200, twiml
    asks = twiml.partition('<Redirect method="POST">')[2].partition("<")[0]
    return twiml.partition('url="')[2].partition('"')[0], asks.partition("/twilio")[2]


async def test_after_the_end_of_its_conversation_it_is_hung_up_on() -> None:
    async with server(people=PEOPLE).running() as running:
        url, asks = await connected(running)
        assert owner_in(asks.rpartition("/")[2]) == running.admission.owner
        socket = await started(url, "MZ1")
        await echoes(socket, "MZ1")
        await socket.close()
        await running.admission.idle()
        status, twiml = await post(running, f"/twilio{asks}", CallStatus="in-progress")
        assert (status, "<Hangup" in twiml) == (200, True)
        assert (await post(running, f"/twilio{asks}", CallStatus="in-progress"))[0] == 410


async def test_one_that_nobody_knows_gets_a_new_stream() -> None:
    async with server(people=PEOPLE).running() as running:
        other = "0a1b2c3d-" + "5" * 32
        status, twiml = await post(running, f"/twilio/next/{other}", CallStatus="in-progress")
        assert status == 200
        url = twiml.partition('url="')[2].partition('"')[0]
        await echoes(await started(url, "MZ1"), "MZ1")
        assert running.admission.calls == 1


async def test_the_end_that_the_carrier_tells_ends_it_in_either_webhook() -> None:
    async with server(people=PEOPLE).running() as running:
        url, asks = await connected(running)
        socket = await started(url, "MZ1")
        await echoes(socket, "MZ1")
        await post(running, f"/twilio{asks}", CallStatus="completed")
        assert await closed(socket) == (1000, "the call ended")
        assert running.admission.calls == 0
