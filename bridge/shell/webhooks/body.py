"""A webhook's body: whole, in time, and of the kind that is due."""

import asyncio
from urllib.parse import parse_qsl

from aiohttp import web

BODY_TIMEOUT_S = 5.0
MOST_FIELDS = 200

FORM = "application/x-www-form-urlencoded"


async def read_body(request: web.Request, content_type: str) -> bytes:
    """Raises 415 where it is of another kind, 408 where it does not come, 413 where it is too long."""
    if request.content_type != content_type:
        raise web.HTTPUnsupportedMediaType(text=f"this webhook has a body of {content_type}")
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None


def form_fields(body: bytes) -> list[tuple[str, str]]:
    """The fields of a form, decoded. Raises 400 on too many."""
    try:
        return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise web.HTTPBadRequest(text=f"the form has more than {MOST_FIELDS} fields") from None
