"""Twilio as the registry of carriers has it."""

from urllib.parse import urlencode

from bridge.carriers.shared.kind import CarrierKind, OutboundCall, VoiceWebhook
from bridge.carriers.shared.rest import ApiRequest
from bridge.carriers.twilio.rest import TwilioApi
from bridge.carriers.twilio.settings import TwilioSettings
from bridge.carriers.twilio.stream import TwilioStream
from bridge.carriers.twilio.webhooks import TwilioWebhooks


def place_call(settings: TwilioSettings, call: OutboundCall) -> ApiRequest:
    """Twilio fetches the TwiML for whoever answers from our voice webhook."""
    asked = f"?{urlencode({'assistant': call.assistant})}" if call.assistant else ""
    return TwilioApi(settings).create_call(
        call.to,
        call.from_,
        url=f"{call.public_url}/twilio/voice{asked}",
        status_callback=f"{call.public_url}/twilio/status",
        machine_detection=None if call.talks_to_machines else settings.machine_detection,
    )


TWILIO = CarrierKind(
    name="twilio",
    title="Twilio",
    settings=TwilioSettings,
    environment={"TWILIO_ACCOUNT_SID": "account_sid", "TWILIO_AUTH_TOKEN": "auth_token"},
    authenticated_by="auth_token",
    checks=(),
    stream=lambda _settings, one_way: TwilioStream(one_way=one_way),
    webhooks=TwilioWebhooks,
    voice_webhooks=lambda _settings: (VoiceWebhook("Twilio's", "/twilio/voice"),),
    place_call=place_call,
    call_id_key="sid",
    expected={"auth_token": (r"[0-9a-f]{32}", "32 hexadecimal digits")},
    requires_tls=True,
    simulator="twilio",
)
