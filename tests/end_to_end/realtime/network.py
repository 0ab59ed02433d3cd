"""A network between the bridge and the simulated OpenAI server that delays what goes through it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


@asynccontextmanager
async def network(url: str, ms: float) -> AsyncIterator[str]:
    """A relay to the simulated server that delays everything in each direction; its address."""
    if not ms:
        yield url
        return
    there = urlsplit(url)
    loop = asyncio.get_running_loop()

    def deliver(writer: asyncio.StreamWriter, data: bytes) -> None:
        if not writer.is_closing():
            writer.write(data) if data else writer.close()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = b"begin"
        while data:
            data = await reader.read(65_536)
            loop.call_later(ms / 1000, deliver, writer, data)

    ways: set[asyncio.Task[None]] = set()

    async def carry_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(there.hostname, there.port)
        try:
            await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
            await asyncio.sleep(ms / 1000)  # what is under way arrives
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()
            far_writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ways.add(asyncio.ensure_future(carry_on(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1")
    try:
        yield there._replace(netloc=f"127.0.0.1:{server.sockets[0].getsockname()[1]}").geturl()
    finally:
        server.close()
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
