"""The health of the assistants, for the log and for /readyz: which was lost, why, and whether it is back."""

import structlog

from bridge.core.failover import FINAL_CLOSES
from bridge.vocabulary.commands import CloseAssistant, OpenAssistant, RetryAssistant
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
    """The health of the assistants of all calls.

    `faults`: by the assistant's name, what a person has to put right: a key, a quota, the name of a model.
    """

    def __init__(self) -> None:
        self.faults: dict[str, str] = {}

    def observer(self) -> "AssistantHealthObserver":
        """Return an observer for one call."""
        return AssistantHealthObserver(self.faults)


class AssistantHealthObserver:
    """An observer of the assistants of one call."""

    sees: frozenset[type[Word]] = frozenset(
        {
            *(OpenAssistant, RetryAssistant, CloseAssistant),
            *(AssistantReady, AssistantFailed, LegLost, AssistantReportedError),
        }
    )

    def __init__(self, faults: dict[str, str]) -> None:
        self._faults = faults
        self._call = ""
        self._name = ""

    def saw(self, word: Word, now: float) -> None:
        """Write a line to the log, and remember what a person has to put right."""
        match word:
            case OpenAssistant(call_id=call, assistant=name, opening=opening):
                self._call, self._name = call, name
                if opening is not Opening.FIRST:
                    log.info("= assistant opened again", call_id=call, assistant=name, opening=str(opening))
            case RetryAssistant(assistant=name, after_s=after_s, why=why):
                log.info(
                    "= assistant will be tried again",
                    call_id=self._call,
                    assistant=name,
                    in_s=after_s,
                    why=why,
                )
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
