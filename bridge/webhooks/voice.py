"""What a voice webhook's address asks for, alike with every carrier: who answers, or that the call is only listened to."""

from aiohttp import web

from bridge.reception import Reception


def who_answers(request: web.Request, reception: Reception) -> str:
    """`?assistant=NAME`, empty for the default one. Raises 400 where there is none of this name, 503 at the end."""
    assistant = request.query.get("assistant", "")
    if not reception.knows(assistant):
        raise web.HTTPBadRequest(text=f"assistant = {assistant!r}: there is none of this name")
    if reception.closing:
        raise web.HTTPServiceUnavailable(text="the server is closing")
    return assistant


def check_goes_on(carrier: str, then: str | None) -> None:
    """Raises 400 where a call that is only listened to has nowhere to go on."""
    if then is None:
        raise web.HTTPBadRequest(
            text=f"{carrier}.then is not set: a call that is only listened to would end here"
        )
