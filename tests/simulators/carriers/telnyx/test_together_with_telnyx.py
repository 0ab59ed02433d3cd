"""Calls that come together at the simulated Telnyx on loopback, driven by the vendor's own package."""

import asyncio
from collections.abc import AsyncIterator
from inspect import isawaitable
from typing import Any

import pytest
import telnyx
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.simulators.carriers.telnyx.calls import CallState
from bridge.simulators.carriers.telnyx.server import SimulatedTelnyx

TIMEOUT_S = 15.0
Both = tuple[SimulatedTelnyx, telnyx.AsyncTelnyx]


@pytest.fixture
async def both() -> AsyncIterator[Both]:
    """A simulated Telnyx whose webhooks the package has verified, and a client of the package."""
    client: Any = None

    async def take(request: web.Request) -> web.Response:
        verified: Any = client.webhooks.unwrap(await request.text(), headers=dict(request.headers))
        if isawaitable(verified):  # once the package's own Ed25519 module was imported
            await verified
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", take)
    async with asyncio.timeout(TIMEOUT_S), TestServer(app) as server:
        hook = str(server.make_url("/hook"))
        async with SimulatedTelnyx(webhook_url=hook, webhook_timeout_s=TIMEOUT_S).running() as simulator:
            plain = telnyx.DefaultAsyncHttpxClient(verify=False)  # certificates take long to read
            async with telnyx.AsyncTelnyx(
                api_key=simulator.api_key,
                base_url=simulator.url,
                public_key=simulator.public_key,
                max_retries=0,
                http_client=plain,
            ) as client:
                yield simulator, client
        assert all(delivery.delivered for delivery in simulator.deliveries)


async def test_bridge_and_transfer_with_the_vendors_client(both: Both) -> None:
    simulator, client = both
    caller = simulator.ring()
    name = caller.call_control_id
    await client.calls.actions.answer(name)
    dialled = await client.calls.dial(
        connection_id="1",
        from_="+15550100",
        to="+15550111",
        link_to=name,
        bridge_intent=True,
        command_id="one",
        answering_machine_detection="premium",
    )
    assert dialled.data
    person = dialled.data.call_control_id
    await simulator.told("call.machine.premium.detection.ended")
    await client.calls.actions.bridge(name, call_control_id_to_bridge_with=person, park_after_unbridge="self")
    await simulator.told("call.bridged", 2)
    assert simulator.account.audible().heard == {name: {person}, person: {name}}
    await client.calls.actions.hangup(person)
    await simulator.over(simulator.account.calls[person])
    assert caller.state is CallState.ANSWERED
    await client.calls.actions.transfer(name, to="+15550112")
    await simulator.told("call.bridged", 4)
    await client.calls.actions.enqueue(name, queue_name="support")
    await simulator.told("call.enqueued")
    await client.calls.actions.refer(name, sip_address="sip:desk@pbx.example.com")
    await simulator.over(caller)
    kinds = {delivery.kind for delivery in simulator.deliveries}
    assert {"call.refer.started", "call.refer.completed", "call.hangup"} <= kinds


async def test_conferences_with_the_vendors_client(both: Both) -> None:
    simulator, client = both
    caller = simulator.ring()
    name = caller.call_control_id
    await client.calls.actions.answer(name)
    created = await client.conferences.create(call_control_id=name, name="r", beep_enabled="never")
    assert created.data
    room = created.data.id
    dialled = await client.calls.dial(connection_id="1", from_="+15550100", to="+15550111")
    assert dialled.data
    person = dialled.data.call_control_id
    await simulator.told("call.answered", 2)
    actions = client.conferences.actions
    await actions.join(room, call_control_id=person, end_conference_on_exit=True)
    await simulator.told("conference.participant.joined", 2)
    await actions.hold(room, call_control_ids=[name], audio_url="https://voice.example.com/hold.wav")
    assert simulator.account.audible().heard == {name: {"@music"}, person: set()}
    await actions.unhold(room, call_control_ids=[name])
    await actions.mute(room, call_control_ids=[name])
    assert simulator.account.audible().heard == {name: {person}, person: set()}
    await actions.unmute(room, call_control_ids=[name])
    (listed,) = [one async for one in client.conferences.list(filter={"name": "r"})]
    assert (listed.id, listed.status) == (room, "in_progress")
    await client.calls.actions.hangup(person)
    await simulator.told("conference.ended")
    await simulator.over(caller)
    with pytest.raises(telnyx.UnprocessableEntityError):
        await actions.leave(room, call_control_id=name)


async def test_a_supervisor_with_the_vendors_client(both: Both) -> None:
    simulator, client = both
    caller = simulator.ring()
    await client.calls.actions.answer(caller.call_control_id)
    dialled = await client.calls.dial(
        connection_id="1",
        from_="+15550100",
        to="+15550120",
        supervise_call_control_id=caller.call_control_id,
        supervisor_role="monitor",
    )
    assert dialled.data
    supervisor = dialled.data.call_control_id
    await simulator.told("call.answered", 2)
    assert simulator.account.audible().heard == {
        caller.call_control_id: set(),
        supervisor: {caller.call_control_id},
    }
    await client.calls.actions.switch_supervisor_role(supervisor, role="whisper")
    assert simulator.account.audible().heard[caller.call_control_id] == {supervisor}
