"""How the assistants fare, for the log and for /readyz: who was lost, why, and whether it has come back."""

import structlog

from bridge.core.failover import FINAL_CLOSES
from bridge.vocabulary.commands import CloseAssistant, OpenAssistant
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    AssistantReportedError,
    LegLost,
    LegName,
    Opening,
    Word,
)

log = structlog.get_logger()


class AssistantHealth:
    """Of all calls together. `faults`: by assistant, what a person has to mend: a key, a quota, a model's name."""

    def __init__(self) -> None:
        self.faults: dict[str, str] = {}

    def observer(self) -> "AssistantWatch":
        """For one call."""
        return AssistantWatch(self.faults)


class AssistantWatch:
    """A observer of what befalls the assistants of one call."""

    sees: frozenset[type[Word]] = frozenset(
        {OpenAssistant, AssistantReady, AssistantFailed, LegLost, CloseAssistant, AssistantReportedError}
    )

    def __init__(self, faults: dict[str, str]) -> None:
        self._faults = faults
        self._call = ""
        self._name = ""

    def saw(self, word: Word, now: float) -> None:
        """Tell the log, and remember what has to be mended."""
        match word:
            case OpenAssistant(call_id=call, assistant=name, opening=opening):
                self._call, self._name = call, name
                if opening is not Opening.FIRST:
                    log.info("= assistant opened again", call_id=call, assistant=name, opening=str(opening))
            case AssistantReady():
                if self._faults.pop(self._name, None) is not None:
                    log.info("= assistant is back", assistant=self._name)
            case AssistantFailed(why=why, final=final):
                self._lost(why, final=final)
            case LegLost(leg=leg, code=code, reason=reason) if leg is not LegName.CARRIER:
                self._lost(reason or f"code {code}", final=code in FINAL_CLOSES)
            case CloseAssistant(why=why) if why:
                self._lost(why, final=False)
            case AssistantReportedError(why=why):
                log.warning(
                    "< assistant reported an error", call_id=self._call, assistant=self._name, why=why
                )

    def _lost(self, why: str, *, final: bool) -> None:
        log.warning("< assistant lost", call_id=self._call, assistant=self._name, why=why, final=final)
        if final:
            self._faults[self._name] = why

    def close(self, now: float, account: Account) -> None:
        """Nothing to close."""
