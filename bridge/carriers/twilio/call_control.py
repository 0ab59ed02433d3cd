"""What Twilio can do to a call beside its stream: end it by REST.

Nothing else yet: the keys that an assistant presses are tones in the stream, because an update of the call with
<Play digits> would end the stream (Twilio, "Call resource").
"""

from bridge.carriers.shared.webhooks import CallHost
from bridge.carriers.twilio.rest import TwilioApi
from bridge.vocabulary.commands import ControlCommand
from bridge.vocabulary.contracts import StreamEnd


class TwilioCallControl:
    """One call whose TwiML ends with our stream: after it nothing follows, so Twilio ends the call.

    Twilio does so when it sees the stream end. If the stream broke, or fell silent, Twilio may not have seen it, and
    the caller waits on a silent line; then the call is ended by REST.
    """

    can: frozenset[type[ControlCommand]] = frozenset()

    def __init__(self, host: CallHost, api: TwilioApi, call_id: str) -> None:
        self._host = host
        self._api = api
        self._call_id = call_id

    def perform(self, command: ControlCommand, _now: float) -> None:
        """Raises `NotImplementedError`: `can` is empty."""
        raise NotImplementedError(f"{type(command).__name__}: Twilio cannot do this beside the stream")

    def hang_up(self, end: StreamEnd, _now: float) -> None:
        """End the call where its stream broke; otherwise Twilio does it."""
        if end is StreamEnd.BROKEN:
            self._host.log("info", "> twilio end call", call_id=self._call_id, why=f"its stream: {end.value}")
            self._host.send(self._api.hang_up(self._call_id))
