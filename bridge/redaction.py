"""Redaction of what must not be shown: secrets, API keys, URLs with tokens, telephone numbers."""

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "**********"
"""In place of a secret."""
_KEY = re.compile(
    r"\bAGE-SECRET-KEY-\w+|\b(sk|ek|sess|xai)[-_][\w*.-]+|\bKEY[0-9A-F]{8}\w*|\bBearer +[\w.~+/=*-]+|\bBasic +[\w+/=-]{8,}|\beyJ[\w-]{8,}[\w.-]*"
    r"|\b[A-Za-z0-9]{32,256}\b"
)
_KEY_OF_A_VENDOR = re.compile(r"\bAGE-SECRET-KEY-\w+|\b(sk|ek|sess|xai)[-_][\w*.-]{6,}|\bKEY[0-9A-F]{8}\w*")
_PAIR = re.compile(
    r"""(?<![\w.-])(?P<name>[\w.-]{1,64})(?P<between>\\?["']\s{0,3}:\s{0,3}|["']?\s?=\s?)"""
    r"""(?P<value>\\"[^"\\]*|"(?:[^"\\]|\\.)*"?|'[^']*'?|\[[^\]]*\]?|\{[^}]*\}?|[^\s,;&}\])"'\\]+)"""
)
_LOGIN = re.compile(r"://[^\s/?#]{1,512}@")
_MEDIA = re.compile(r"(/(?:media|listen)/)[^\s/?#\"']+")
_ID = re.compile(
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"  # a UUID may have groups of digits alone
    r"|(?P<number>(?:\+|%2[Bb])\d(?:[\s()./-]{0,3}\d){6,}|(?<![\w.])\d{7,}(?!\w))"
)
_ADDRESS = re.compile(r"(?<!\w)\w+://\S+")
_HOST = re.compile(r"(?<!\w)(\w+://)(?:\S*@)?([^\s/?#]*)(\S*)")
_NO_NUMBER = re.compile(r"\d{1,3}(\.\d{1,3}){3}|\d{4}-\d\d-\d\d(\s\d\d)?")  # an IPv4 address, a date
SHORTEST_NUMBER = 7
"""Digits of a telephone number, at least."""
LONGEST_SHOWN = 2_000
"""Letters of one text that a peer may have written: the rest is not worth the time that masking it takes."""
_NUMBER = re.compile(r"(?:\+|%2[Bb])?\d(?:[\s()./-]{0,3}\d){4,}[\s()./-]{0,3}(\d)[\s()./-]{0,3}(\d)")
_USER = re.compile(
    r"(?<=//)[^/?#]*@"
    r"|(?<=//)[^/?#]*:(?!\d*([/?#]|$)).*@"  # a password with a slash in it
    r"|^(?!\s*[\w+.-]+://)[^\s/?#@]+:.*@",  # the scheme was forgotten
    re.DOTALL,
)
_QUERY = re.compile(r"^([^?#]*://[^?#]*[?#]|[^\s?#]+[?#](?=\S*=)).+", re.DOTALL)
SECRET_WORDS = ("secret", "password", "authorization", "headers", "api_key", "apikey", "token_key")
SECRET_ENDS = ("token", "key")
"""The ends of names of secrets: `auth_token` and `api-key`, but neither `token_limits` nor `ssl_keyfile`."""


def is_secret(name: str) -> bool:
    """Whether a value of this name must not be shown."""
    name = name.lower()
    return name.endswith(SECRET_ENDS) or any(word in name for word in SECRET_WORDS)


def is_private_key(value: object) -> bool:
    """Whether this is a private key in the age format."""
    return isinstance(value, str) and value.upper().startswith("AGE-SECRET-KEY")


def masked(value: Any) -> Any:
    """Return a table with its secrets hidden, at any depth."""
    match value:
        case Mapping():
            return {name: HIDDEN if is_secret(name) else masked(inner) for name, inner in value.items()}
        case list():
            return [masked(inner) for inner in value]
        case str():
            return without_credentials(value)
        case _:
            return value


def without_credentials(text: str) -> str:
    """Return a URL without user, password, query and fragment, even if it is malformed; other text is unchanged."""
    return _QUERY.sub(r"\1***", _USER.sub("***@", text) if "@" in text else text)


def without_keys(text: str) -> str:
    """Return a peer's text with everything masked that looks like an API key."""
    return _KEY.sub("***", text)


def without_addresses(text: str) -> str:
    """Return a carrier's text without URLs, for the URL of a media socket has its token."""
    return _ADDRESS.sub("(address)", text)


def without_numbers(text: str) -> str:
    """Return a text with telephone numbers masked but for their last two digits.

    Seven digits or more are a number, unless they are an IPv4 address or a date.
    """
    return _NUMBER.sub(_masked_number, text)


def is_date_or_address(text: str) -> bool:
    """Whether these digits are a date or an IPv4 address, and no telephone number."""
    return _NO_NUMBER.fullmatch(text) is not None


def _masked_number(found: re.Match[str]) -> str:
    return found[0] if is_date_or_address(found[0]) else f"***{found[1]}{found[2]}"


def without_secrets(text: str) -> str:
    """Return a text with the values hidden that it gives under the name of a secret: in JSON, and as name=value."""
    return _PAIR.sub(_hidden_pair, text) if "=" in text or ":" in text else text


def _hidden_pair(found: re.Match[str]) -> str:
    name, between, value = found["name"], found["between"], found["value"]
    if not is_secret(name):
        return found[0]
    if value.startswith('\\"'):
        return f'{name}{between}\\"{HIDDEN}'  # what ends it follows
    quote = value[0] if value[0] in "\"'" else '"' if ":" in between else ""
    return f"{name}{between}{quote}{HIDDEN}{quote}"


def without_private(text: str) -> str:
    """Return a text, whoever wrote it, without telephone numbers, keys, and values under the name of a secret.

    Of a URL it lacks user and password, and the token of a media socket.
    """
    if "/" in text:
        text = _MEDIA.sub(r"\1…", _LOGIN.sub("://***@", text))
    return without_numbers(without_keys(without_secrets(text)))


def safe_id(name: str) -> str:
    """Return the name that a peer gave to a call, a stream or the like, as it is, for it may look like a key or a number.

    Masked is what is surely one: a number with a plus or with nothing around it, and a key as vendors write them.
    """
    if len(name) < SHORTEST_NUMBER:
        return name
    return _KEY_OF_A_VENDOR.sub("***", _ID.sub(_safe_part, name))


def _safe_part(found: re.Match[str]) -> str:
    number = found["number"]
    if number is None:
        return found[0]
    return "***" + "".join(letter for letter in number if letter.isdigit())[-2:]


def for_log(text: str, most: int = LONGEST_SHOWN) -> str:
    """Return a text, whoever wrote it, as a log may have it: no key, no number, of a URL the host alone, not too long.

    `most`: letters that are shown.
    """
    if len(text) > most:
        text = text[:most] + " …"
    return without_private(_HOST.sub(_host_of, text))


def _host_of(found: re.Match[str]) -> str:
    scheme, host, rest = found.groups()
    return f"{scheme}{host}/…" if rest.strip("/") else f"{scheme}{host}"
