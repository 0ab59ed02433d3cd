"""What a voice webhook asks for, alike with every carrier: who answers, or that the call is only listened to.

The address may have a word behind it, /twilio/voice/WORD, and parameters: ?assistant=NAME names who answers, all others
are for the routes in the settings.
"""

from collections.abc import Mapping

import structlog
from aiohttp import web

from bridge.config.routes import OWN_PARAMETERS, Incoming
from bridge.shell.admission import Admission

WORD = "/{word}"
"""Behind a webhook's path, where there is one."""

log = structlog.get_logger()


def incoming(form: Mapping[str, str]) -> Incoming:
    """A call as a form tells it. One that we placed has its numbers the other way round, and they are left out."""
    if form.get("Direction", "inbound").startswith("outbound"):
        return Incoming()
    return Incoming(form.get("To", ""), form.get("From", ""))


def who_answers(
    request: web.Request, admission: Admission, call: Incoming, parameters: Mapping[str, str]
) -> str:
    """`?assistant=NAME`, else as the routes have it; empty for the default one. `parameters`: of every stream.

    Raises 400 where there is none of this name, 404 where no route has the word behind the address.
    """
    assistant = request.query.get("assistant", "")
    if not admission.has_assistant(assistant):
        log.warning("webhook turned away", path=request.path, reason="it names no assistant of ours")
        raise web.HTTPBadRequest(text=f"assistant = {assistant!r}: there is none of this name")
    word = request.match_info.get("word", "")
    if word and not admission.routes.has_path(word):
        log.warning("webhook turned away", path=request.path, reason="no route has this path")
        raise web.HTTPNotFound(text=f"{word!r}: no route in the settings has this path")
    asked = {name: request.query[name] for name in request.query if name not in OWN_PARAMETERS}
    return assistant or admission.routes.assistant(
        call._replace(path=word, parameters={**parameters, **asked})
    )


def check_open(admission: Admission) -> None:
    """Raises 503 at the end."""
    if admission.closing:
        raise web.HTTPServiceUnavailable(text="the server is closing")


def check_goes_on(carrier: str, then: str | None) -> None:
    """Raises 400 where a call that is only listened to has nowhere to go on."""
    if then is None:
        raise web.HTTPBadRequest(
            text=f"{carrier}.then is not set: a call that is only listened to would end here"
        )
