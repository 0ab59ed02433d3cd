"""The toy carrier as the registry of carriers would have it: a carrier's whole entry, for tests and to be read."""

from urllib.parse import urlencode

from msgspec import DecodeError, Struct, json

from bridge.carriers.shared.kind import CarrierKind, OutboundCall, VoiceWebhook
from bridge.carriers.shared.rest import ApiRequest
from bridge.vocabulary.errors import ConfigurationError
from tests.carriers.toy.rest import ToyApi
from tests.carriers.toy.settings import ToySettings
from tests.carriers.toy.stream import ToyStream
from tests.carriers.toy.webhooks import ToyWebhooks


def check_password(settings: ToySettings) -> None:
    """Raises `ConfigurationError` where the password cannot be one."""
    if settings.password is not None and " " in settings.password.get_secret_value():
        raise ConfigurationError("toy.password: should be one word")


class _NamesCall(Struct):
    call: str = ""


def call_id_in(body: bytes) -> str:
    """The call that a webhook tells of."""
    try:
        return json.decode(body, type=_NamesCall).call
    except DecodeError:
        return ""


def place_call(settings: ToySettings, call: OutboundCall) -> ApiRequest:
    """The assistant travels in the webhook's address. This carrier cannot tell machines from people."""
    asked = f"?{urlencode({'assistant': call.assistant})}" if call.assistant else ""
    return ToyApi(settings).place_call(call.to, call.from_, f"{call.public_url}/toy/call{asked}")


TOY = CarrierKind(
    name="toy",
    title="Toy",
    settings=ToySettings,
    environment={"TOY_PASSWORD": "password"},
    authenticated_by="password",
    checks=(check_password,),
    stream=lambda _settings, one_way: ToyStream(one_way=one_way),
    webhooks=ToyWebhooks,
    voice_webhooks=lambda _settings: (VoiceWebhook("The toy's", "/toy/call"),),
    place_call=place_call,
    call_id_key="call",
    call_id_in=call_id_in,
    simulator="toy",
)
