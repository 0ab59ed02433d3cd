"""Placing one call with the pretend phone: the exchange opens a stream, the line carries it."""

from bridge.simulators.carriers.contract import Exchange
from bridge.simulators.carriers.twilio.exchange import TwilioExchange
from bridge.simulators.carriers.twilio.media import new_sid
from bridge.simulators.phone.line import Line, Network
from bridge.simulators.phone.plan import CallPlan
from bridge.simulators.phone.report import CallReport

CALLER = "+15550199"
CALLED = "+15550100"


async def place_call(
    url: str,
    plan: CallPlan,
    *,
    carrier: Exchange | None = None,
    caller: str = CALLER,
    called: str = CALLED,
    call_sid: str = "",
    account_sid: str = "",
    auth_token: str = "",
    network: Network = Network(),  # noqa: B008 - frozen
) -> CallReport:
    """Call `url` and carry the call to its end.

    http or https: a voice webhook, whose answer names the stream. ws or wss: the media socket itself. `carrier` is
    Twilio's exchange if nothing else is said, made from the two names and the token; with the token both are signed.
    `network`: the stream's. Raises `CallRefused` if no stream comes about.
    """
    if carrier is None:
        carrier = TwilioExchange(auth_token, call_sid or new_sid("CA"), account_sid or new_sid("AC"))
    socket = await carrier.open(url, plan, caller=caller, called=called)
    line = Line(plan, socket.stream, network, reconnect=socket.reconnect)
    return await line.carry(socket.url, socket.headers)
