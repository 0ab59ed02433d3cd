"""What the carriers did not like, and why calls were hung up on, for the log: a observer of one call."""

import structlog

from bridge.vocabulary.commands import HangUp
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.events import CallStarted, CarrierReportedError, Word

QUIET_CODES = (1000, 1001)
"""Of a WebSocket's close: the call is over, or the server goes. All others have somebody to mend something."""

log = structlog.get_logger()


class CarrierLog:
    """One call's."""

    sees: frozenset[type[Word]] = frozenset({CallStarted, CarrierReportedError, HangUp})

    def __init__(self) -> None:
        self._call = ""

    def saw(self, word: Word, now: float) -> None:
        """Tell the log."""
        match word:
            case CallStarted(call_id=call):
                self._call = call
            case CarrierReportedError(code=code, why=why):
                log.warning("< the carrier reported an error", call_id=self._call, code=code, why=why)
            case HangUp(code=code, why=why) if code not in QUIET_CODES:
                log.warning("> the call was hung up", call_id=self._call, code=code, why=why)

    def close(self, now: float, account: Account) -> None:
        """Nothing more to tell."""
