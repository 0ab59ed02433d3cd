"""Those who call in as a supervisor: whether they are let in, and which call under way they join.

A route has their calls. Their number, or a PIN, says who they are. They join the call that waits for them, or the only one
that there is. Units: seconds. No clock: `now` is passed in.
"""

from collections import OrderedDict, deque
from typing import NamedTuple

from bridge.carriers.shared.webhooks import ExpectedCall
from bridge.config.routes import normal
from bridge.redaction import without_numbers
from bridge.settings.people import SupervisorSettings
from bridge.shell.active_calls import ActiveCall, ActiveCalls
from bridge.shell.sampled_log import SampledLog
from bridge.shell.setups import Setups

MOST = 1_000
"""Legs of supervisors that are known at a time; then the oldest go."""

MOST_WRONG, WRONG_S = 10, 3600.0
"""After so many wrong PINs within this time nobody is let in as this supervisor, until the first of them is older."""

REFUSED = "a supervisor is not let in"


class CalledIn(NamedTuple):
    """Who has called in on one leg."""

    supervisor: str
    call_id: str
    """The call that they join; empty where they are not let in."""
    pin: str
    """What they have to type before; empty: nothing."""


class CallIns:
    """Those of one server. `active`: its calls. `setups`: where the settings are found that new calls have."""

    def __init__(self, active: ActiveCalls, setups: Setups) -> None:
        self._active = active
        self._setups = setups
        self._legs: OrderedDict[tuple[str, str], CalledIn] = OrderedDict()
        self._wrong: dict[str, deque[float]] = {}
        self._log = SampledLog()

    def comes(
        self, carrier: str, leg: str, supervisor: str, from_: str, now: float, *, elsewhere: int = 0
    ) -> None:
        """A route has this leg, of a caller with this number, for this supervisor. Asked again, nothing changes.

        `elsewhere`: calls in the other processes of this server.
        """
        if (carrier, leg) in self._legs:
            return
        settings = self._setups.current.settings.supervisors[supervisor]
        call_id, why = "", self._why_not(supervisor, settings, from_, now)
        if not why:
            call_id, why = self._choose(carrier, supervisor, elsewhere)
        if why:
            self._log.write(
                "warning",
                "supervisor",
                f"= {REFUSED}",
                call_id=leg,
                supervisor=supervisor,
                number=without_numbers(from_),
                reason=why,
            )
        pin = "" if settings.pin is None else settings.pin.get_secret_value()
        self._legs[carrier, leg] = CalledIn(supervisor, "" if why else call_id, pin)
        if len(self._legs) > MOST:
            self._legs.popitem(last=False)

    def of(self, carrier: str, leg: str) -> CalledIn | None:
        """Who has called in on this leg; None: it is not that of a supervisor."""
        return self._legs.get((carrier, leg))

    def expected(self, carrier: str, call: ExpectedCall) -> ExpectedCall:
        """A call that is announced: where a supervisor has called in with it, it is the leg of theirs."""
        found = None if call.briefs else self.of(carrier, call.call_id)
        if found is None:
            return call
        name, pin = found.supervisor, found.pin
        return call._replace(briefs=found.call_id, supervises=True, calls_in=name, pin=pin, returns_s=0.0)

    def forget(self, carrier: str, leg: str) -> None:
        """The call of this leg is over."""
        self._legs.pop((carrier, leg), None)

    def pin_checked(self, supervisor: str, now: float, *, is_right: bool) -> None:
        """Somebody has typed a PIN as this supervisor."""
        if not is_right:
            self._wrong.setdefault(supervisor, deque(maxlen=MOST_WRONG)).append(now)

    def _why_not(self, supervisor: str, settings: SupervisorSettings, from_: str, now: float) -> str:
        wrong = self._wrong.get(supervisor, deque())
        if len(wrong) == MOST_WRONG and wrong[0] + WRONG_S > now:
            return "too many wrong PINs were typed"
        number = normal(from_)
        is_own = any(normal(one) == number for group in settings.groups for one in group)
        return (
            "" if is_own or settings.calls_from == "any" else "the call does not come from a number of theirs"
        )

    def _choose(self, carrier: str, supervisor: str, elsewhere: int) -> tuple[str, str]:
        """The call that is joined; or nothing, and why."""
        calls = [one for one in self._active if _is_of_caller(one)]
        awaits = [(one, one.session.awaits) for one in calls]
        waiting = [(since[1], one) for one, since in awaits if since is not None and since[0] == supervisor]
        if waiting:
            _, chosen = max(waiting, key=lambda found: found[0])
        elif elsewhere:
            return "", "calls are under way in other worker processes, and none here waits for them"
        elif len(calls) != 1:
            return (
                "",
                f"{len(calls)} calls are under way, and none waits for them"
                if calls
                else "no call is under way",
            )
        else:
            (chosen,) = calls
        if chosen.carrier != carrier:
            return "", f"the call is one of {chosen.carrier}, whose number they have to call"
        return chosen.call_id, chosen.session.why_not_join(supervisor)


def _is_of_caller(one: ActiveCall) -> bool:
    return one.kind == "media" and bool(one.call_id) and not (one.expected.briefs or one.one_way)
