"""What must not be shown: secrets, keys, addresses with tokens, telephone numbers; and how each is masked."""

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "**********"
_KEY = re.compile(
    r"\b(sk|ek|sess|xai)[-_][\w*.-]+|\bKEY[0-9A-F]{8}\w*|\bBearer +[\w.~+/=*-]+|\b[A-Za-z0-9]{32,}\b"
)
_ADDRESS = re.compile(r"\w+://\S+")
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
"""`auth_token` and `api-key`, but neither `token_limits` nor `ssl_keyfile`."""


def is_secret(name: str) -> bool:
    """Whether what bears this name is not to be shown."""
    name = name.lower()
    return name.endswith(SECRET_ENDS) or any(word in name for word in SECRET_WORDS)


def masked(value: Any) -> Any:
    """The same table with its secrets hidden, however deep they lie."""
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
    """An address without user, password, query and fragment, also one that is badly written; else the same text."""
    return _QUERY.sub(r"\1***", _USER.sub("***@", text))


def without_keys(text: str) -> str:
    """What a peer said, with everything that looks like a key masked."""
    return _KEY.sub("***", text)


def without_addresses(text: str) -> str:
    """What a carrier said, without addresses: that of a media socket holds its token."""
    return _ADDRESS.sub("(address)", text)


def without_numbers(text: str) -> str:
    """Telephone numbers, however they are written, without all but their last two digits. Seven digits make one."""
    return _NUMBER.sub(r"***\1\2", text)
