"""The carriers by name; a new one is a file or a folder, and one line here."""

from collections.abc import Callable
from typing import Any, NamedTuple

from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.stream import TelnyxStream
from bridge.carriers.twilio.settings import TwilioSettings
from bridge.carriers.twilio.stream import TwilioStream
from bridge.settings.table import Section
from bridge.vocabulary.contracts import Carrier


class Kind(NamedTuple):
    """A carrier: what can be set, and what makes its dialect for one stream."""

    settings: type[Section]
    stream: Callable[[Any, bool], Carrier]
    """From an object of `settings`, and whether the stream is only listened to."""


CARRIERS: dict[str, Kind] = {
    "telnyx": Kind(TelnyxSettings, lambda settings, one_way: TelnyxStream(settings, one_way=one_way)),
    "twilio": Kind(TwilioSettings, lambda _settings, one_way: TwilioStream(one_way=one_way)),
}
