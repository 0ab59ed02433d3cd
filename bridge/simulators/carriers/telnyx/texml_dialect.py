"""TeXML at the simulated Telnyx: how its calls, webhooks and requests differ from Twilio's TwiML.

Wire: Telnyx, "TeXML REST API", "TeXML verbs", "Receiving webhooks". Requests bear the API key, and webhooks are signed
over their body as all of Telnyx's are.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from bridge.simulators.carriers.telnyx.checks import CALL_ENDED, INVALID_VALUE, NOT_FOUND, TelnyxRefusal
from bridge.simulators.carriers.telnyx.media import new_call_control_id
from bridge.simulators.carriers.telnyx.texml import read_stream, signed_headers, texml_form
from bridge.simulators.carriers.twilio.actions import SendCallback
from bridge.simulators.carriers.twilio.calls import TwilioCall
from bridge.simulators.carriers.twilio.checks import NOT_FOUND as UNKNOWN
from bridge.simulators.carriers.twilio.checks import NOT_IN_PROGRESS
from bridge.simulators.carriers.twilio.dialect import DocumentDialect


class TexmlCall(TwilioCall):
    """A call that obeys TeXML. Its sid is its call control id."""

    __slots__ = ()

    def base_form(self) -> dict[str, str]:
        """The form fields that each webhook begins with."""
        return texml_form(
            call_control_id=self.sid, account_sid=self.account_sid, caller=self.caller, called=self.called
        )

    def stream_callback(self, event: str, now: float, error: str = "") -> list[SendCallback]:
        """See `TwilioCall`. What is `stream-error` at Twilio is `stream-failed` here."""
        told = super().stream_callback("stream-failed" if event == "stream-error" else event, now, error)
        legacy = {"CallSidLegacy": self.sid}
        return [act._replace(form={**act.form, **legacy}) for act in told]


def _call(account_sid: str, caller: str, called: str, began: float) -> TwilioCall:
    return TexmlCall(account_sid, caller, called, began, sid=new_call_control_id())


def _headers(_url: str, form: Mapping[str, str], private_key: str, unix_now: float) -> dict[str, str]:
    return signed_headers(urlencode(form).encode(), private_key, unix_now)


CODES = {NOT_IN_PROGRESS: CALL_ENDED, UNKNOWN: NOT_FOUND}
"""Telnyx's codes for Twilio's."""


def refusal(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of an answer that refuses a request (Telnyx, "API errors"), from Twilio's."""
    return TelnyxRefusal(CODES.get(body["code"], INVALID_VALUE), body["message"]).body()


def texml_dialect(private_key: str) -> DocumentDialect:
    """The dialect of an account whose webhooks are signed with this key, base64 of its 32 byte seed."""
    return DocumentDialect(
        "telnyx",
        lambda _account, api_key: f"Bearer {api_key}",
        read_stream,
        _call,
        lambda url, form, _api_key, unix_now: _headers(url, form, private_key, unix_now),
        has_call_tokens=False,
        refusal=refusal,
    )
