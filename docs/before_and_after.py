"""A server that is asked before a call and told after it: who is called by name, who is rejected, what came of the call.

Run it with `python docs/before_and_after.py --port 8093`; the page before-and-after.md says the rest.
"""

import argparse
import hmac
import json
import time

from aiohttp import web

SECRET = b"a word that both sides know"
LATEST_S = 300
CUSTOMERS = {"+15550199": {"name": "Ann", "plan": "gold"}}
BLOCKED = {"+15550666"}


async def read(request: web.Request) -> dict[str, object]:
    """The JSON of a request that the bridge has signed, and lately."""
    body = await request.read()
    timestamp = request.headers.get("X-Voicebridge-Timestamp", "")
    expected = "v1=" + hmac.digest(SECRET, timestamp.encode() + b"." + body, "sha256").hex()
    given = request.headers.get("X-Voicebridge-Signature", "")
    if (
        not hmac.compare_digest(expected.encode(), given.encode())
        or abs(time.time() - int(timestamp)) > LATEST_S
    ):
        raise web.HTTPForbidden
    fields: dict[str, object] = json.loads(body)
    return fields


async def before(request: web.Request) -> web.Response:
    """What to do with a call."""
    call = await read(request)
    if call["from"] in BLOCKED:
        return web.json_response({"reject": "rejected"})
    customer = CUSTOMERS.get(str(call["from"]))
    if customer is None:
        return web.json_response({})
    return web.json_response(
        {"variables": customer, "greeting": f"Hello {customer['name']}, how can I help?"}
    )


async def after(request: web.Request) -> web.Response:
    """What came of a call. One that comes twice has the same id."""
    report = await read(request)
    print(
        json.dumps({name: report[name] for name in ("id", "call", "facts", "outcome", "transcript")}),
        flush=True,
    )
    return web.Response(status=204)


def main() -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8093)
    app = web.Application()
    app.add_routes([web.post("/before", before), web.post("/after", after)])
    web.run_app(app, host="127.0.0.1", port=parser.parse_args().port, print=lambda _: None)


if __name__ == "__main__":
    main()
