"""Tokens and people that are read again while the server serves."""

import time
from typing import Any

import aiohttp

from bridge.shell.control.access import COOKIE
from tests.shell.test_reload import TOKEN, done, reloading, settings

OTHER = "u8Jh3-Pf7Gs2_Ke9Ra4Vb6Nw1"


async def test_tokens_are_those_that_were_read_and_sessions_end_with_theirs() -> None:
    def tokens(token: str) -> dict[str, Any]:
        return {"control": {"tokens": [{"name": "ops", "token": token}]}, "metrics": {"token": token}}

    async with (
        reloading(lambda: settings(**tokens(OTHER)), **tokens(TOKEN)) as (server, reload, _),
        aiohttp.ClientSession() as http,
    ):
        session = server.control.access.log_in(TOKEN, time.time())
        proofs = [
            {"Cookie": f"{COOKIE}={session}"},
            {"Authorization": f"Bearer {TOKEN}"},
            {"Authorization": f"Bearer {OTHER}"},
        ]

        async def statuses(path: str) -> list[int]:
            url = f"http://127.0.0.1:{server.port}{path}"
            away = {"X-Forwarded-For": "192.0.2.1"}
            return [(await http.get(url, headers=proof | away)).status for proof in proofs]

        assert await statuses("/calls") == [200, 200, 401]
        assert await statuses("/metrics") == [200, 200, 401]
        await done(reload)
        assert await statuses("/calls") == [401, 401, 200]
        assert await statuses("/metrics") == [401, 401, 200]


async def test_people_who_were_read_can_be_called_in_new_calls() -> None:
    new = settings(people={"billing": {"to": "+15550111"}})
    async with reloading(lambda: new) as (server, reload, _):
        before = server.admission.setups.current
        await done(reload)
        assert server.admission.setups.current.switchboard.people.persons.keys() == {"billing"}
        assert not before.switchboard.people.persons
        assert server.admission.puts_through
