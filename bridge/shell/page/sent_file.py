"""Sends a file of a call, or the part of it that is asked for, piece by piece: it may be large, and still be written."""

import asyncio
from io import SEEK_END
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from bridge.shell.http_server import give_more_time
from bridge.shell.page.routes import HEADERS, NO_STORE

PIECE_BYTES = 65_536


async def send_file(request: web.Request, path: Path, content_type: str) -> web.StreamResponse:
    """Raises `HTTPNotFound` if it cannot be read, `HTTPRequestRangeNotSatisfiable` if it has no such part."""
    try:
        file = await asyncio.to_thread(path.open, "rb")
    except OSError:
        raise web.HTTPNotFound from None
    try:
        return await _send(request, file, path.name, content_type)
    finally:
        await asyncio.to_thread(file.close)


async def _send(request: web.Request, file: BinaryIO, name: str, content_type: str) -> web.StreamResponse:
    size = await asyncio.to_thread(file.seek, 0, SEEK_END)
    first, end = _part(request, size)
    is_part = "Range" in request.headers
    answer = web.StreamResponse(status=206 if is_part else 200, headers=HEADERS | NO_STORE)
    answer.headers["Content-Type"] = content_type
    answer.headers["Content-Disposition"] = f'inline; filename="{name}"'
    answer.headers["Accept-Ranges"] = "bytes"
    answer.content_length = end - first
    if is_part:
        answer.headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
    await answer.prepare(request)
    await asyncio.to_thread(file.seek, first)
    left = 0 if request.method == "HEAD" else end - first
    while left:
        piece = await asyncio.to_thread(file.read, min(left, PIECE_BYTES))
        if not piece:
            raise ConnectionError("the file became shorter while it was sent")
        await answer.write(piece)
        give_more_time(request)
        left -= len(piece)
    await answer.write_eof()
    return answer


def _part(request: web.Request, size: int) -> tuple[int, int]:
    """The first byte that is asked for, and the one behind the last."""
    try:
        asked = request.http_range
    except ValueError:
        asked = slice(size, None)  # no part of any file
    if "Range" not in request.headers:
        return 0, size
    first, end, _ = asked.indices(size)
    if first >= end:
        raise web.HTTPRequestRangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"})
    return first, end
