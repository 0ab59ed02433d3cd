"""Who may read the figures on the server's own port."""

import pytest

from bridge.shell.metrics.access import Access

HERE, ELSEWHERE = "127.0.0.1", "192.0.2.7"
TOKEN = "a-token-of-a-scraper"


@pytest.mark.parametrize(
    ("address", "headers", "allowed"),
    [
        (HERE, {}, True),
        ("::1", {}, True),
        (ELSEWHERE, {}, False),
        ("", {}, False),
        (HERE, {"X-Forwarded-For": ELSEWHERE}, False),  # a proxy on this machine
        (ELSEWHERE, {"Authorization": f"Bearer {TOKEN}"}, True),
        (ELSEWHERE, {"authorization": f"bearer  {TOKEN} "}, True),
        (HERE, {"Authorization": f"Bearer {TOKEN}", "Via": "a proxy"}, True),
        (ELSEWHERE, {"Authorization": "Bearer another"}, False),
        (ELSEWHERE, {"Authorization": f"Basic {TOKEN}"}, False),
        (ELSEWHERE, {"Authorization": "Bearer \u20ac\udc80"}, False),
        (ELSEWHERE, {"Authorization": "Bearer "}, False),
        (HERE, {"Authorization": "Bearer another"}, False),  # whoever gives one is told that it is wrong
    ],
)
def test_who_may_read(address: str, headers: dict[str, str], allowed: bool) -> None:
    assert Access([TOKEN]).is_allowed(address, headers) is allowed


def test_without_a_token_only_this_machine_may() -> None:
    assert Access().is_allowed(HERE, {})
    assert not Access().is_allowed(ELSEWHERE, {"Authorization": "Bearer "})


def test_each_of_several_tokens_will_do() -> None:
    access = Access([TOKEN, "another token of some length"])
    assert access.is_allowed(ELSEWHERE, {"Authorization": "Bearer another token of some length"})
