"""The simulated carriers by name. A new one is a folder beside this file, and one entry here."""

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from bridge.simulators.carriers.contract import CallOptions, Exchange
from bridge.simulators.carriers.telnyx import people_call as telnyx_people
from bridge.simulators.carriers.telnyx.call_control import place_call_with_options
from bridge.simulators.carriers.telnyx.exchange import telnyx_exchange
from bridge.simulators.carriers.twilio import people_call as twilio_people
from bridge.simulators.carriers.twilio.exchange import twilio_exchange
from bridge.simulators.interruption import Interruption
from bridge.simulators.phone.live_call import Network
from bridge.simulators.phone.people_call import PeopleCall, PeopleReport
from bridge.simulators.phone.plan import CallPlan
from bridge.simulators.phone.report import CallReport
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.format import AudioFormat

Planner = Callable[[AudioFormat], CallPlan]
"""What the caller does, with audio in the format that the call turns out to have."""


class CarrierSimulator(NamedTuple):
    """What `voicebridge call` needs of a carrier. Both raise `ConfigurationError` for options that it does not have."""

    exchange: Callable[[CallOptions], Exchange]
    """Makes what sets up one call at a voice webhook or a media socket."""
    place_controlled_call: (
        Callable[[str, Planner, CallOptions, Network, int, Interruption], Coroutine[Any, Any, CallReport]]
        | None
    ) = None
    """Places a call that the server controls by REST: webhook, plan, options, network, port of the REST API (0: any),
    what ends it.

    None for a carrier without such calls.
    """
    place_people_call: Callable[[PeopleCall], Coroutine[Any, Any, PeopleReport]] | None = None
    """Places a call with several parties, by documents or by REST; None for a carrier that cannot."""


SIMULATORS: dict[str, CarrierSimulator] = {
    "telnyx": CarrierSimulator(telnyx_exchange, place_call_with_options, telnyx_people.place_people_call),
    "twilio": CarrierSimulator(twilio_exchange, place_people_call=twilio_people.place_people_call),
}


def carrier_simulator(carrier: str) -> CarrierSimulator:
    """The simulator of this name. Raises `ConfigurationError` if there is none."""
    if carrier not in SIMULATORS:
        raise ConfigurationError(
            f"--carrier: unknown carrier {carrier!r}; expected {' or '.join(SIMULATORS)}"
        )
    return SIMULATORS[carrier]
