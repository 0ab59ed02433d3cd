"""Errors that the carriers report, and why calls were hung up or streams closed for a fault, for the log."""

import structlog

from bridge.observers.call_secrets import CallSecrets
from bridge.vocabulary.commands import HangUp
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.events import CallStarted, CarrierReportedError, LegLost, LegName, Word

QUIET_CODES = (1000, 1001)
"""WebSocket close codes without a line in the log: the call is over, or the server stops. All others are faults."""

FAULT_CODES = (1002, 1003, 1007, 1008, 1009, 1011)
"""WebSocket close codes of a stream that one side closed because the other broke a rule (RFC 6455, 7.4.1)."""

log = structlog.get_logger()


class CarrierLog:
    """An observer of one call."""

    sees: frozenset[type[Word]] = CallSecrets.sees | frozenset(
        {CallStarted, CarrierReportedError, HangUp, LegLost}
    )

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
            case LegLost(leg=LegName.CARRIER, code=code, reason=why) if code in FAULT_CODES:
                why = self._secrets.hide(why)
                log.warning("= the carrier's stream was closed", call_id=self._call, code=code, why=why)

    def close(self, now: float, account: Account) -> None:
        """Nothing to close."""
