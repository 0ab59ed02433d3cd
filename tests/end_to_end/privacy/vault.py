"""A tool that repeats what it was told, and one that fails with it."""

import json

PAID: list[str] = []
"""The pins that the tool was given."""

PLANTED = " +1 555 0142 0042 sk-canary-trace-0001 hunter2-canary"


def pay(pin: str) -> str:
    """Pay.

    pin: what the caller typed
    """
    PAID.append(pin)
    return json.dumps(
        {
            "pin": pin,
            "key": "sk-canary-output-0001",
            "api_key": "plain-canary-out",
            "call": "+49 170 555 00 42",
        }
    )


def fail(pin: str) -> str:
    """Fail.

    pin: what the caller typed
    """
    raise ValueError(pin + PLANTED)
