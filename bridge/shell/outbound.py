"""Places a call: a carrier is asked to dial, and to bring whoever answers to this server.

The server need not be in this process: what it has to know of the call travels with the call.
"""

import re
import uuid
from urllib.parse import urlencode

from bridge.carriers.shared.rest import ApiRequest
from bridge.carriers.telnyx.phone_call import ClientState
from bridge.carriers.telnyx.rest import TelnyxApi
from bridge.carriers.twilio.rest import TwilioApi
from bridge.config.settings import Settings
from bridge.shell.rest_client import ApiClient
from bridge.vocabulary.errors import ConfigurationError

NUMBER = re.compile(r"\+[1-9]\d{6,14}|sips?:\S+")


async def dial(
    settings: Settings, carrier: str, *, to: str, from_: str, assistant: str = "", machines: bool = False
) -> str:
    """The carrier's name for the call that now rings at `to`.

    `machines`: an answering machine is talked to as well; otherwise the carrier is asked who answered, and the
    assistant waits for the verdict. Raises `ConfigurationError`, `CarrierRefused`.
    """
    request = _request(settings, carrier, to, from_, assistant, machines=machines)
    client = ApiClient()
    try:
        data = await client.send(request)
    finally:
        await client.aclose()
    return str(data.get("call_control_id") or data.get("sid") or "")


def _request(
    settings: Settings, carrier: str, to: str, from_: str, assistant: str, *, machines: bool
) -> ApiRequest:
    for flag, number in (("--to", to), ("--from", from_)):
        if not NUMBER.fullmatch(number):
            raise ConfigurationError(
                f"{flag} {number!r}: should be a number such as +15550100 or an address such as sip:me@example.com"
            )
    if assistant and assistant not in settings.assistant_kinds:
        raise ConfigurationError(
            f"--assistant {assistant!r}: should be one of {', '.join(settings.assistant_kinds)}"
        )
    here = settings.public_url
    if here is None:
        raise ConfigurationError("public_url is missing: it is where the carrier brings whoever answers")
    match carrier:
        case "telnyx":
            detection = None if machines else settings.telnyx.machine_detection
            return TelnyxApi(settings.telnyx).dial(
                to,
                from_,
                str(uuid.uuid4()),
                webhook_url=f"{here}/telnyx/webhook",
                client_state=ClientState(assistant, wants_human=detection is not None).encode(),
                answering_machine_detection=detection,
            )
        case "twilio":
            asked = f"?{urlencode({'assistant': assistant})}" if assistant else ""
            return TwilioApi(settings.twilio).create_call(
                to,
                from_,
                url=f"{here}/twilio/voice{asked}",
                status_callback=f"{here}/twilio/status",
                machine_detection=None if machines else settings.twilio.machine_detection,
            )
        case _:
            raise ConfigurationError(f"--carrier {carrier!r}: should be one of telnyx, twilio")
