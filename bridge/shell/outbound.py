"""Places a call: asks a carrier to phone somebody, and to bring whoever answers to the server at `public_url`.

The server need not be in this process: what it has to know of the call travels with the call.
"""

import re
import uuid

from bridge.carriers.registry import CARRIERS
from bridge.carriers.shared.kind import OutboundCall
from bridge.config.settings import Settings
from bridge.shell.network import Network
from bridge.shell.rest_client import ApiClient
from bridge.vocabulary.errors import ConfigurationError

NUMBER = re.compile(r"\+[1-9]\d{6,14}|sips?:\S+")


async def place_call(
    settings: Settings,
    carrier: str,
    *,
    to: str,
    from_: str,
    assistant: str = "",
    talks_to_machines: bool = False,
) -> str:
    """The carrier's name for the call that now rings at `to`.

    `talks_to_machines`: an answering machine is talked to as well; otherwise the carrier is asked who answered, and
    the assistant waits for the verdict. Raises `ConfigurationError`, `CarrierRefused`.
    """
    kind = CARRIERS.get(carrier)
    call = _checked_call(settings, to, from_, assistant, talks_to_machines=talks_to_machines)
    if kind is None:
        raise ConfigurationError(f"--carrier {carrier!r}: should be one of {', '.join(sorted(CARRIERS))}")
    request = kind.place_call(settings.carrier(carrier), call)
    network = Network(settings.proxy)
    client = ApiClient(network)
    try:
        answer = await client.send(request)
    finally:
        await client.aclose()
        await network.aclose()
    return str(answer.get(kind.call_id_key) or "")


def _checked_call(
    settings: Settings, to: str, from_: str, assistant: str, *, talks_to_machines: bool
) -> OutboundCall:
    """Raises `ConfigurationError` where an option, or the server's address, cannot be right."""
    for option, number in (("--to", to), ("--from", from_)):
        if not NUMBER.fullmatch(number):
            raise ConfigurationError(
                f"{option} {number!r}: should be a number such as +15550100 or an address such as sip:me@example.com"
            )
    if assistant and assistant not in settings.assistant_kinds:
        raise ConfigurationError(
            f"--assistant {assistant!r}: should be one of {', '.join(settings.assistant_kinds)}"
        )
    if settings.public_url is None:
        raise ConfigurationError("public_url is missing: it is where the carrier brings whoever answers")
    return OutboundCall(to, from_, assistant, talks_to_machines, settings.public_url, str(uuid.uuid4()))
