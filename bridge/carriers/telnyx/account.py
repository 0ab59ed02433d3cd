"""Looks up the account at Telnyx: its numbers, and the webhook of the application that each is assigned to.

Source: Telnyx, "List phone numbers" (`connection_id`), "List call control applications" (`webhook_event_url`), "List all
TeXML applications" (`voice_url`, `voice_method`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bridge.carriers.shared.account import Account, AccountLook, Number
from bridge.carriers.shared.rest import ApiAnswer, ApiRequest, RetryRule, json_object
from bridge.carriers.telnyx.rest import TelnyxApi, read_answer
from bridge.carriers.telnyx.settings import TelnyxSettings

RULE = RetryRule(answer_s=5.0, at_once=0, backoff_s=0.5, last_try_s=3.0, give_up_s=10.0)

LISTS = ("/phone_numbers", "/call_control_applications", "/texml_applications")

MOST_ROWS = 250
"""On one page of a list: Telnyx's most."""


def look_at_account(settings: TelnyxSettings) -> AccountLook:
    """See `CarrierKind`. Raises `ConfigurationError` where the key is not set."""
    headers = TelnyxApi(settings).headers
    return AccountLook(
        tuple(
            ApiRequest(
                carrier="Telnyx",
                command=f"list {path.strip('/').replace('_', ' ')}",
                call_id="",
                method="GET",
                url=f"{settings.api_url}{path}?page[size]={MOST_ROWS}".replace("[", "%5B").replace(
                    "]", "%5D"
                ),
                headers=headers,
                body=b"",
                rule=RULE,
                read=_rows,
            )
            for path in LISTS
        ),
        _read,
    )


def _rows(answer: ApiAnswer) -> Mapping[str, Any]:
    """A list as it came. Raises `CarrierRefused`."""
    if not 200 <= answer.status < 300:
        read_answer(answer)
    found = json_object(answer.body) or {}
    rows = found.get("data")
    return {"rows": [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []}


def _read(answers: Sequence[Mapping[str, Any]]) -> Account:
    numbers, controlled, texml = (answer["rows"] for answer in answers)
    webhooks = {str(app.get("id")): (str(app.get("webhook_event_url") or ""), "POST") for app in controlled}
    webhooks |= {
        str(app.get("id")): (str(app.get("voice_url") or ""), str(app.get("voice_method") or "POST").upper())
        for app in texml
    }
    return Account("", tuple(_numbers(numbers, webhooks)))


def _numbers(rows: Sequence[Mapping[str, Any]], webhooks: Mapping[str, tuple[str, str]]) -> Iterator[Number]:
    for row in rows:
        connection = str(row.get("connection_id") or "")
        other = ("another kind of connection", "POST") if connection else ("", "POST")
        yield Number(str(row.get("phone_number", "")), *webhooks.get(connection, other))
