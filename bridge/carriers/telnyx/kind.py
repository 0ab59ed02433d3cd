"""Telnyx as the registry of carriers has it."""

from collections.abc import Iterator

from bridge.carriers.shared.kind import CarrierKind, OutboundCall, VoiceWebhook
from bridge.carriers.shared.rest import ApiRequest
from bridge.carriers.shared.webhooks import call_id_in_form
from bridge.carriers.telnyx.account import look_at_account
from bridge.carriers.telnyx.events import call_control_id_in
from bridge.carriers.telnyx.phone_call import ClientState
from bridge.carriers.telnyx.rest import TelnyxApi
from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.stream import TelnyxStream
from bridge.carriers.telnyx.webhooks import TelnyxWebhooks

SIMULATED_PUBLIC_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
"""The key of the first test vector of RFC 8032, whose private half everybody knows."""

SIMULATED_API_KEY = "KEY_simulated"


def check_api_key(settings: TelnyxSettings) -> None:
    """Raises `ConfigurationError` where there is a key, and it cannot be one."""
    if settings.api_key is not None:
        TelnyxApi(settings)


def voice_webhooks(settings: TelnyxSettings) -> Iterator[VoiceWebhook]:
    """Call Control needs the REST API's key to answer a call; TeXML does not."""
    yield VoiceWebhook("Telnyx's with TeXML", "/telnyx/texml")
    if settings.api_key is not None:
        yield VoiceWebhook("Telnyx's under Call Control", "/telnyx/webhook")


def place_call(settings: TelnyxSettings, call: OutboundCall) -> ApiRequest:
    """The call comes under Call Control. Who talks to whoever answers travels with it, as its client state."""
    detection = None if call.talks_to_machines else settings.machine_detection
    return TelnyxApi(settings).dial(
        call.to,
        call.from_,
        call.request_id,
        webhook_url=f"{call.public_url}/telnyx/webhook",
        client_state=ClientState(call.assistant, wants_human=detection is not None).encode(),
        answering_machine_detection=detection,
    )


TELNYX = CarrierKind(
    name="telnyx",
    title="Telnyx",
    settings=TelnyxSettings,
    environment={"TELNYX_API_KEY": "api_key", "TELNYX_PUBLIC_KEY": "public_key"},
    authenticated_by="public_key",
    checks=(TelnyxSettings.check_codecs, check_api_key),
    stream=lambda settings, one_way: TelnyxStream(settings, one_way=one_way),
    webhooks=TelnyxWebhooks,
    voice_webhooks=lambda settings: tuple(voice_webhooks(settings)),
    place_call=place_call,
    call_id_key="call_control_id",
    call_id_in=lambda body: call_control_id_in(body) or call_id_in_form(body),
    published={"public_key": SIMULATED_PUBLIC_KEY, "api_key": SIMULATED_API_KEY},
    expected={"api_key": (r"KEY\w{20,}", "KEY and at least 20 letters and digits")},
    simulator="telnyx",
    look_at_account=look_at_account,
)
