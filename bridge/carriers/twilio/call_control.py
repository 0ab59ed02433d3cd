"""What Twilio can do to a call beside its stream, by REST. A new command is one row in `_PERFORM`.

It has none yet. Keys that an assistant presses are tones in the stream, because an update of the call with
`<Play digits>` would end the stream (Twilio, "Call resource", "TwiML Voice: <Play>"). No clock: `now` is passed in.
"""

from collections.abc import Callable
from typing import Any

from bridge.carriers.shared.webhooks import CallHost
from bridge.carriers.twilio.rest import TwilioApi
from bridge.vocabulary.commands import ControlCommand
from bridge.vocabulary.contracts import StreamEnd


class TwilioCallControl:
    """The control of one call; see `contracts.CallControl`.

    `ends_with_stream`: nothing follows the stream in the call's TwiML, so Twilio ends the call when it sees the stream
    end.
    """

    def __init__(self, host: CallHost, api: TwilioApi, call_id: str, *, ends_with_stream: bool) -> None:
        self.can: frozenset[type[ControlCommand]] = frozenset(_PERFORM)
        self._host = host
        self._api = api
        self._call_id = call_id
        self._ends_with_stream = ends_with_stream

    def perform(self, command: ControlCommand, now: float) -> None:
        """Send the request that this command becomes."""
        _PERFORM[type(command)](self, command, now)

    def hang_up(self, end: StreamEnd, _now: float) -> None:
        """End a call that ends with its stream, where Twilio may not have seen the end of the stream.

        Otherwise Twilio ends the call itself, or goes on with what follows in the TwiML. The caller of a stream that
        broke would wait on a silent line until Twilio notices (Twilio, "Media Streams Overview", gives no time).
        """
        if end is StreamEnd.BROKEN and self._ends_with_stream:
            self._host.log("info", "> twilio end call", call_id=self._call_id, why=f"its stream: {end.value}")
            self._host.send(self._api.hang_up(self._call_id))


_PERFORM: dict[type[ControlCommand], Callable[[TwilioCallControl, Any, float], None]] = {}
"""What sends each command; a row is made with `dispatch.on`."""
