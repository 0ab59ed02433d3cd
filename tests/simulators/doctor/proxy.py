"""A reverse proxy in front of a server, which passes requests on as badly as it is told to."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web


@asynccontextmanager
async def proxy(
    port: int,
    *,
    drops: Collection[str] = (),
    answers: Callable[[web.Request], web.StreamResponse | None] = lambda _: None,
) -> AsyncIterator[str]:
    """The proxy's address. `drops`: headers, in lower case, that it does not pass on. `answers`: requests it answers itself."""

    async def pass_on(request: web.Request) -> web.StreamResponse:
        if (own := answers(request)) is not None:
            return own
        headers = {name: value for name, value in request.headers.items() if name.lower() not in drops}
        is_upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
        url = f"http://127.0.0.1:{port}{request.path_qs}"
        if is_upgrade and not {"upgrade", "connection"} & set(drops):
            return await tunnel(request, url)
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method, url, headers=headers, data=await request.read(), allow_redirects=False
            ) as answer,
        ):
            kept = {"Content-Type": answer.headers.get("Content-Type", "text/plain")}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    async def tunnel(request: web.Request, url: str) -> web.StreamResponse:
        own = {"x-twilio-signature": request.headers.get("X-Twilio-Signature", "")}
        near = web.WebSocketResponse()
        async with aiohttp.ClientSession() as session, session.ws_connect(url, headers=own) as far:
            await near.prepare(request)

            async def back() -> None:
                async for message in far:
                    await near.send_str(message.data)
                await near.close()

            returning = asyncio.create_task(back())
            async for message in near:
                await far.send_str(message.data)
            await far.close()
            await returning
        return near

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", pass_on)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def answering(answer: Callable[[web.Request], web.StreamResponse]) -> AsyncIterator[str]:
    """The address of a server that answers everything like this."""
    async with proxy(0, answers=answer) as url:
        yield url
