"""The carriers by name; a new one is a file or a folder, and one line here."""

from collections.abc import Callable
from typing import Any, NamedTuple

from bridge.carriers.shared.settings import CarrierSettings
from bridge.carriers.shared.webhooks import CallHost, CarrierWebhooks
from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.stream import TelnyxStream
from bridge.carriers.telnyx.webhooks import TelnyxWebhooks
from bridge.carriers.twilio.settings import TwilioSettings
from bridge.carriers.twilio.stream import TwilioStream
from bridge.carriers.twilio.webhooks import TwilioWebhooks
from bridge.vocabulary.contracts import Carrier


class Kind(NamedTuple):
    """A carrier: what can be set, and what makes its dialect for one stream and its webhooks for one server."""

    settings: type[CarrierSettings]
    stream: Callable[[Any, bool], Carrier]
    """From an object of `settings`, and whether the stream is only listened to."""
    webhooks: Callable[[Any, CallHost], CarrierWebhooks]
    """From an object of `settings`, and what it may ask of the server."""


CARRIERS: dict[str, Kind] = {
    "telnyx": Kind(
        TelnyxSettings, lambda settings, one_way: TelnyxStream(settings, one_way=one_way), TelnyxWebhooks
    ),
    "twilio": Kind(TwilioSettings, lambda _settings, one_way: TwilioStream(one_way=one_way), TwilioWebhooks),
}
