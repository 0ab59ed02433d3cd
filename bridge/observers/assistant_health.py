"""The health of the assistants, for the log, for /readyz and for new calls: which was lost, why, and whether it is back."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import structlog

from bridge.core.circuit import Circuit, CircuitRule
from bridge.core.failover import FINAL_CLOSES, SERVED_S
from bridge.observers.call_secrets import CallSecrets
from bridge.redaction import for_log
from bridge.vocabulary.commands import CloseAssistant, OpenAssistant, RetryAssistant
from bridge.vocabulary.contracts import Account
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantReady,
    AssistantReportedError,
    CloseRequested,
    LegLost,
    LegName,
    Opening,
    ReplyEnded,
    SpeechStopped,
    Word,
)

log = structlog.get_logger()


class OpenCircuit(NamedTuple):
    """An assistant whose circuit is open."""

    since: float
    """Seconds on the sessions' clock."""
    why: str


class AssistantHealth:
    """The health of the assistants of all calls. `jitter`: see `Circuit`.

    `faults`: by the assistant's name, what a person has to put right: a key, a quota, the name of a model.
    """

    def __init__(self, rule: CircuitRule | None = None, jitter: Callable[[], float] = lambda: 1.0) -> None:
        self.faults: dict[str, str] = {}
        self._rule = rule or CircuitRule()
        self._jitter = jitter
        self._circuits: dict[str, Circuit] = {}

    def observer(self) -> "AssistantHealthObserver":
        """Return an observer for one call."""
        return AssistantHealthObserver(self)

    def open_circuits(self) -> dict[str, OpenCircuit]:
        """The assistants to which new calls do not go if they have a fallback, by name."""
        return {
            name: OpenCircuit(
                circuit.opened_at, f"{circuit.failures} failures in a row, the last: {circuit.why}"
            )
            for name, circuit in self._circuits.items()
            if circuit.opened_at is not None
        }

    def chain(self, names: tuple[str, ...], now: float, *, takes_call: bool = True) -> tuple[str, ...]:
        """Who answers a new call: `names`, those with an open circuit last. `takes_call`: the call is there."""
        admitted = [name for name in names if name not in self._circuits or self._circuits[name].admits(now)]
        chosen = (*admitted, *(name for name in names if name not in admitted))
        if takes_call and chosen[0] in self._circuits:
            self._circuits[chosen[0]].take(now)
        return chosen

    def adopt(self, before: "AssistantHealth", names: Iterable[str]) -> None:
        """Go on with what another object knows of these assistants. Its circuits are shared, where the rule is the same."""
        for name in names:
            if name in before.faults:
                self.faults[name] = before.faults[name]
            if name in before._circuits and before._rule == self._rule:
                self._circuits[name] = before._circuits[name]

    def failed(self, name: str, call_id: str, why: str, now: float) -> None:
        """An assistant failed in a call."""
        circuit = self._circuits.setdefault(name, Circuit(self._rule, self._jitter))
        if circuit.failed(call_id, why, now):
            log.warning("= circuit opened", assistant=name, failures=circuit.failures, why=why)

    def ready(self, name: str) -> None:
        """An assistant was opened, and takes part in a call."""
        if self.faults.pop(name, None) is not None:
            log.info("= assistant is back", assistant=name)

    def served(self, name: str) -> None:
        """An assistant served a call."""
        if name in self._circuits and self._circuits[name].succeeded():
            log.info("= circuit closed", assistant=name)


class AssistantHealthObserver:
    """An observer of the assistants of one call.

    An assistant has served when a reply is complete, unless it reported an error since the caller last spoke; and when
    a call ends after `SERVED_S` with it. That it is ready is not enough: one that then fails at each reply does not serve.
    """

    sees: frozenset[type[Word]] = CallSecrets.sees | frozenset(
        {
            *(OpenAssistant, RetryAssistant, CloseAssistant, CloseRequested),
            *(AssistantReady, AssistantFailed, LegLost, AssistantReportedError),
            *(ReplyEnded, SpeechStopped),
        }
    )

    def __init__(self, health: AssistantHealth) -> None:
        self._health = health
        self._call = ""
        self._name = ""
        self._ready_at: float | None = None
        self._has_reported_error = False
        self._is_closing = False
        self._secrets = CallSecrets()

    def saw(self, word: Word, now: float) -> None:
        """Write a line to the log, and tell the health of the assistants."""
        self._secrets.saw(word)
        match word:
            case OpenAssistant():
                self._opened(word)
            case RetryAssistant():
                self._tried_again(word)
            case AssistantReady():
                self._ready_at = now if self._ready_at is None else self._ready_at
                self._health.ready(self._name)
            case AssistantFailed(why=why, final=final):
                self._lost(why, now, final=final)
            case LegLost(leg=leg, code=code, reason=reason, final=final) if leg is not LegName.CARRIER:
                is_standby, final = leg is LegName.STANDBY, final or code in FINAL_CLOSES
                self._lost(reason or f"code {code}", now, final=final, is_standby=is_standby)
            case CloseAssistant(why=why):
                self._closed(why, now)
            case AssistantReportedError(why=why):
                self._has_reported_error = True
                why = self._secrets.hide(why)
                log.warning(
                    "< assistant reported an error", call_id=self._call, assistant=self._name, why=why
                )
            case CloseRequested():
                self._is_closing = True
            case SpeechStopped():
                self._has_reported_error = False
            case ReplyEnded() if not self._has_reported_error:
                self._health.served(self._name)

    def _closed(self, why: str, now: float) -> None:
        """The bridge closes the assistant: because of a fault of it if `why` is not empty, else because the call is over."""
        if why:
            self._lost(why, now, final=False)
        elif self._has_reported_error or self._ready_at is None:
            return
        elif now - self._ready_at >= SERVED_S:
            self._health.served(self._name)

    def _opened(self, command: OpenAssistant) -> None:
        self._call, self._name, opening = command.call_id, command.assistant, command.opening
        if opening is not Opening.RENEWED:
            self._ready_at, self._has_reported_error = None, False
        if opening is not Opening.FIRST:
            log.info(
                "= assistant opened again", call_id=self._call, assistant=self._name, opening=str(opening)
            )

    def _tried_again(self, retry: RetryAssistant) -> None:
        log.info(
            "= assistant will be tried again",
            call_id=self._call,
            assistant=retry.assistant,
            in_s=retry.after_s,
            why=self._secrets.hide(retry.why),
        )

    def _lost(self, why: str, now: float, *, final: bool, is_standby: bool = False) -> None:
        """A standby is not missed, and an assistant that hangs up may close its connection: neither counts as a failure."""
        why = self._secrets.hide(why)
        log.warning("< assistant lost", call_id=self._call, assistant=self._name, why=why, final=final)
        if final:
            self._health.faults[self._name] = for_log(why)  # /readyz shows it
        if not is_standby:
            self._ready_at = None
            if not self._is_closing:
                self._health.failed(self._name, self._call, for_log(why), now)

    def close(self, now: float, account: Account) -> None:
        """Nothing to close."""
