"""Places one call with the simulated phone: a carrier's exchange names the media stream, a `LiveCall` carries it."""

from bridge.simulators.carriers.contract import CALLED, CALLER, Exchange
from bridge.simulators.carriers.twilio.exchange import TwilioExchange
from bridge.simulators.carriers.twilio.media import new_sid
from bridge.simulators.interruption import Interruption
from bridge.simulators.phone.handset import Ending
from bridge.simulators.phone.live_call import LiveCall, Network
from bridge.simulators.phone.plan import CallPlan
from bridge.simulators.phone.report import CallReport


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
    interruption: Interruption | None = None,
) -> CallReport:
    """Call `url` and carry the call to its end.

    `url`: a voice webhook (http, https), whose answer names the media stream, or the media socket itself (ws, wss).
    `carrier`: by default Twilio's exchange, made from `call_sid`, `account_sid` and `auth_token`; with a token webhook
    and socket are signed. `network`: between the phone and the media socket. `interruption`: ends the call, once it has
    begun. Raises `CallRefused` with the reason if no stream is opened.
    """
    if carrier is None:
        carrier = TwilioExchange(auth_token, call_sid or new_sid("CA"), account_sid or new_sid("AC"))
    socket = await carrier.open(url, plan, caller=caller, called=called)
    line = LiveCall(plan, socket.stream, network, reconnect=socket.reconnect)
    with (interruption or Interruption()).ends_with(lambda: line.hang_up(Ending.INTERRUPTED)):
        return await line.carry(socket.url, socket.headers, socket.tls)
