"""Looks up the account at Twilio: its status, and the voice webhook of each of its numbers.

Source: Twilio, "REST API: Accounts" (`status`), "IncomingPhoneNumber resource" (`voice_url`, `voice_method`,
`voice_application_sid`, `trunk_sid`: a trunk goes before an application, and that before the URL).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bridge.carriers.shared.account import Account, AccountLook, Number
from bridge.carriers.twilio.rest import TwilioApi
from bridge.carriers.twilio.settings import TwilioSettings

MOST_NUMBERS = 1000
"""On one page of the list: Twilio's most."""


def look_at_account(settings: TwilioSettings) -> AccountLook:
    """See `CarrierKind`. Raises `ConfigurationError` where the account is not set."""
    look = TwilioApi(settings).look_up("")
    account = f"{settings.api_url}/2010-04-01/Accounts/{settings.account_sid}"
    numbers = f"{account}/IncomingPhoneNumbers.json?PageSize={MOST_NUMBERS}"
    return AccountLook(
        (
            replace(look, command="look up account", url=f"{account}.json"),
            replace(look, command="list numbers", url=numbers),
        ),
        _read,
    )


def _read(answers: Sequence[Mapping[str, Any]]) -> Account:
    account, listed = answers
    status = str(account.get("status", "active"))
    fault = "" if status == "active" else f"the account is {status}"
    return Account(fault, tuple(_numbers(listed.get("incoming_phone_numbers"))))


def _numbers(listed: object) -> Iterator[Number]:
    for one in listed if isinstance(listed, list) else ():
        if not isinstance(one, dict):
            continue
        goes_to = str(one.get("voice_url") or "")
        if one.get("trunk_sid"):
            goes_to = "a SIP trunk"
        elif one.get("voice_application_sid"):
            goes_to = "a TwiML application"
        yield Number(str(one.get("phone_number", "")), goes_to, str(one.get("voice_method") or "POST"))
