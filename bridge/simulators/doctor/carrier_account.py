"""Examines the accounts at the carriers: whether the keys are accepted, and whether the numbers' calls come to us."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from bridge.carriers.registry import CARRIERS
from bridge.carriers.shared.account import Account, Number
from bridge.carriers.shared.kind import CarrierKind
from bridge.config.routes import normal
from bridge.config.settings import Settings
from bridge.redaction import without_credentials
from bridge.simulators.doctor.asking import Asker, NoAnswerCame
from bridge.simulators.doctor.findings import Finding, Findings, Group
from bridge.vocabulary.errors import CarrierRefused, ConfigurationError

MOST_SHOWN = 5


async def look_at_accounts(settings: Settings, asker: Asker) -> list[Finding]:
    """A finding for each account whose keys are set, and one for where its numbers lead."""
    findings = Findings(Group.CARRIER)
    for name, kind in CARRIERS.items():
        if kind.look_at_account is None or not kind.can_authenticate(settings.carrier(name)):
            continue
        try:
            look = kind.look_at_account(settings.carrier(name))
        except ConfigurationError as missing:
            findings.skipped(
                f"{name} account", f"Its REST API was not asked: {missing}.", "Only calls that come in work."
            )
            continue
        try:
            account = look.read([await asker.data(request) for request in look.requests])
        except CarrierRefused as refused:
            findings.fault(
                f"{name} account", f"Its REST API refuses: {refused}.", _remedy(kind, refused.status)
            )
        except NoAnswerCame as error:
            findings.fault(
                f"{name} account",
                f"Its REST API at {urlsplit(look.requests[0].url).netloc} cannot be reached: {error}.",
                "Check the network and [proxy]; calls are placed, answered and ended with this API.",
            )
        else:
            if account.fault:
                findings.fault(f"{name} account", f"The keys work, and {account.fault}.", "See its portal.")
            else:
                findings.ok(f"{name} account", f"The keys are accepted; {len(account.numbers)} numbers.")
            _numbers(findings, settings, kind, account)
    if not findings.all:
        findings.skipped("carrier", "No carrier's keys are set.")
    return findings.all


def _remedy(kind: CarrierKind, status: int | None) -> str:  # type: ignore[type-arg]
    names = ", ".join(kind.environment)
    if status in (401, 403):
        return f"The key is wrong, or was withdrawn: copy it again from {kind.title}'s portal ({names})."
    if status == 404:
        return f"There is no such account: check {names}, and {kind.name}.api_url."
    return f"Try again; if it stays, see {kind.title}'s status page."


def _numbers(findings: Findings, settings: Settings, kind: CarrierKind, account: Account) -> None:  # type: ignore[type-arg]
    """Numbers whose calls come here, and those that a route waits for in vain."""
    name = f"{kind.name} numbers"
    if settings.public_url is None:
        findings.skipped(name, "public_url is not set, so no number can lead here.")
        return
    own = [f"{settings.public_url}{one.path}" for one in kind.voice_webhooks(settings.carrier(kind.name))]
    ours = [number for number in account.numbers if _is_ours(number, own)]
    missing = [number for number in account.numbers if number not in ours and _is_routed(number, settings)]
    remedy = f"Set its voice webhook to {' or '.join(own)} (POST), or what it is assigned to."
    for number in missing:
        findings.fault(
            name, f"{number.number} is in [[routes]], and its calls go to {_shown(number)}.", remedy
        )
    for number in ours:
        if number.method.upper() != "POST":
            findings.fault(
                name, f"{number.number} calls its webhook with {number.method}.", "Set it to POST."
            )
    if ours:
        findings.ok(name, f"{_listed([number.number for number in ours])} lead here.")
    elif account.numbers and not missing:
        elsewhere = [f"{number.number} goes to {_shown(number)}" for number in account.numbers]
        findings.fault(name, f"No number leads here: {_listed(elsewhere)}.", remedy)
    elif not account.numbers:
        findings.warning(name, "The account has no number.", f"Buy one in {kind.title}'s portal.")


def _is_ours(number: Number, own: Sequence[str]) -> bool:
    bare = number.goes_to.partition("?")[0].rstrip("/")
    return any(bare == one or bare.startswith(f"{one}/") for one in own)


def _is_routed(number: Number, settings: Settings) -> bool:
    """Whether a route waits for calls to this very number."""
    return any(route.to == normal(number.number) for route in settings.routes)


def _shown(number: Number) -> str:
    return without_credentials(number.goes_to) or "nowhere"


def _listed(words: Sequence[str]) -> str:
    more = f", and {len(words) - MOST_SHOWN} more" if len(words) > MOST_SHOWN else ""
    return ", ".join(words[:MOST_SHOWN]) + more
