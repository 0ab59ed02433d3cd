"""Twilio as the registry of carriers has it."""

from collections.abc import Mapping
from urllib.parse import urlencode

from bridge.carriers.shared.kind import CarrierKind, OutboundCall, VoiceWebhook
from bridge.carriers.shared.rest import ApiRequest
from bridge.carriers.shared.webhooks import call_id_in_form
from bridge.carriers.twilio.account import look_at_account
from bridge.carriers.twilio.rest import TwilioApi
from bridge.carriers.twilio.settings import TwilioSettings
from bridge.carriers.twilio.signature import is_signed
from bridge.carriers.twilio.stream import TwilioStream
from bridge.carriers.twilio.webhooks import TwilioWebhooks
from bridge.vocabulary.errors import ConfigurationError


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


def check_can_check_upgrades(settings: TwilioSettings) -> None:
    """Raises `ConfigurationError` where upgrades must be signed, and nothing is there to check it with."""
    if settings.check_upgrade is True and settings.auth_token is None:
        raise ConfigurationError("twilio.check_upgrade = true: needs twilio.auth_token, which is not set")


def upgrade_fault(settings: TwilioSettings, url: str, headers: Mapping[str, str]) -> str:
    """See `CarrierKind`. Twilio signs the address as the TwiML has it, or with a slash behind it, without a form.

    Source: Twilio, "Media Streams Overview: security", "Webhooks security".
    """
    if settings.check_upgrade is False or settings.auth_token is None:
        return ""
    given = headers.get("x-twilio-signature")
    if given is None:
        return (
            "it has no X-Twilio-Signature, which twilio.check_upgrade wants"
            if settings.check_upgrade is True
            else ""
        )
    auth_token = settings.auth_token.get_secret_value()
    as_told = (url.rstrip("/"), url.rstrip("/") + "/")
    if any(is_signed(auth_token, candidate, (), given) for candidate in as_told):
        return ""
    address, media, _ = url.partition("/twilio/")  # what follows holds the token
    return f"its X-Twilio-Signature is not that of {address}{media}… ; is public_url what Twilio was told?"


TWILIO = CarrierKind(
    name="twilio",
    title="Twilio",
    settings=TwilioSettings,
    environment={"TWILIO_ACCOUNT_SID": "account_sid", "TWILIO_AUTH_TOKEN": "auth_token"},
    authenticated_by="auth_token",
    checks=(check_can_check_upgrades,),
    stream=lambda _settings, one_way: TwilioStream(one_way=one_way),
    webhooks=TwilioWebhooks,
    voice_webhooks=lambda _settings: (VoiceWebhook("Twilio's", "/twilio/voice"),),
    place_call=place_call,
    call_id_key="sid",
    call_id_in=call_id_in_form,
    upgrade_fault=upgrade_fault,
    expected={"auth_token": (r"[0-9a-f]{32}", "32 hexadecimal digits")},
    requires_tls=True,
    simulator="twilio",
    look_at_account=look_at_account,
)
