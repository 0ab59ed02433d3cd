"""What differs between the accounts whose calls obey documents: TwiML at Twilio, TeXML at Telnyx."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from xml.etree import ElementTree

from bridge.simulators.carriers.twilio.calls import TwilioCall
from bridge.simulators.carriers.twilio.voice_webhook import read_stream, signed_headers
from bridge.simulators.carriers.voice_documents import ReadStream
from bridge.simulators.carriers.voice_xml import StreamElement


class DocumentDialect(NamedTuple):
    """One dialect."""

    name: str
    authorization: Callable[[str, str], str]
    """The header `Authorization` of a request: account, token."""
    read_stream: ReadStream
    call: Callable[[str, str, str, float], TwilioCall]
    """Makes a call: account, caller, called, when it began (Unix seconds)."""
    headers: Callable[[str, Mapping[str, str], str, float], dict[str, str]]
    """The headers that sign a webhook: its URL, its form, the token or key, Unix seconds."""
    has_call_tokens: bool
    """Whether a caller's number is shown to others only with the token of the call."""
    refusal: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict
    """The body of an answer that refuses a request, from Twilio's."""


def _basic(account_sid: str, auth_token: str) -> str:
    return f"Basic {b64encode(f'{account_sid}:{auth_token}'.encode()).decode()}"


def _stream(element: ElementTree.Element, url: str, one_way: bool) -> StreamElement:
    return read_stream(element, url, one_way=one_way)


def _headers(url: str, form: Mapping[str, str], auth_token: str, _unix_now: float) -> dict[str, str]:
    return signed_headers(url, form, auth_token)


TWIML = DocumentDialect("twilio", _basic, _stream, TwilioCall, _headers, True)
