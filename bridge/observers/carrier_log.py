"""Errors that the carriers report, and the reasons why calls were hung up, for the log."""

import structlog

from bridge.observers.call_secrets import CallSecrets
from bridge.vocabulary.commands import HangUp
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.events import CallStarted, CarrierReportedError, Word

QUIET_CODES = (1000, 1001)
"""WebSocket close codes without a line in the log: the call is over, or the server stops. All others are faults."""

log = structlog.get_logger()


class CarrierLog:
    """An observer of one call."""

    sees: frozenset[type[Word]] = CallSecrets.sees | frozenset({CallStarted, CarrierReportedError, HangUp})

    def __init__(self) -> None:
        self._call = ""
        self._secrets = CallSecrets()

    def saw(self, word: Word, now: float) -> None:
        """Write a line to the log."""
        self._secrets.saw(word)
        match word:
            case CallStarted(call_id=call):
                self._call = call
            case CarrierReportedError(code=code, why=why):
                why = self._secrets.hide(why)
                log.warning("< the carrier reported an error", call_id=self._call, code=code, why=why)
            case HangUp(code=code, why=why) if code not in QUIET_CODES:
                why = self._secrets.hide(why)
                log.warning("> the call was hung up", call_id=self._call, code=code, why=why)

    def close(self, now: float, account: Account) -> None:
        """Nothing to close."""
