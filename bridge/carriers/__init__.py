"""The carriers by name; a new one is one file and one line here."""

from bridge.carriers.twilio import TwilioStream
from bridge.contracts import Carrier

CARRIERS: dict[str, type[Carrier]] = {
    "twilio": TwilioStream,
}
