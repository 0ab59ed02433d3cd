"""The carriers by name. A new one is its folder, with a `CarrierKind`, and one row here."""

from typing import Any

from bridge.carriers.shared.kind import CarrierKind
from bridge.carriers.telnyx.kind import TELNYX
from bridge.carriers.twilio.kind import TWILIO

CARRIERS: dict[str, CarrierKind[Any]] = {
    "twilio": TWILIO,
    "telnyx": TELNYX,
}

PAGE_PHONE = "twilio"
"""The carrier whose dialect the phone in the browser speaks."""
