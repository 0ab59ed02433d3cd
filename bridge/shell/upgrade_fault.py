"""Why the upgrade of a media socket is refused, whatever its token says: a browser's page opens it, or nobody signed it."""

from collections.abc import Mapping

from bridge.carriers.registry import CARRIERS
from bridge.config.settings import Settings


def upgrade_fault(
    settings: Settings, carrier: str, url: str, headers: Mapping[str, str], page: str = ""
) -> str:
    """The reason; empty if there is none. `url`: the public address that is asked for; `page`: the one that placed the call."""
    given = {name.lower(): value for name, value in headers.items()}
    origin = given.get("origin")
    if page:
        return "" if origin == page else "another page placed its call"
    if origin is not None and not {origin, "*"} & set(settings.security.origins):
        return "it comes from a page in a browser, and security.origins does not have its origin"
    return CARRIERS[carrier].upgrade_fault(settings.carrier(carrier), url, given)
