"""Twilio's signature: is a request to a webhook really Twilio's?

Source: Twilio, "Webhooks security": base64 of HMAC-SHA1 over the URL and the form. No socket, no clock.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit


def signature(auth_token: str, url: str, form: Iterable[tuple[str, str]] = ()) -> str:
    """The `X-Twilio-Signature` of a request: `url` as Twilio was given it, `form` its POST parameters, decoded.

    Of a repeated parameter each value is signed once, in their order: Twilio's own library does so.
    """
    signed = url + "".join(name + value for name, value in sorted(set(form)))
    mac = hmac.new(auth_token.encode(), signed.encode("utf-8", "surrogateescape"), hashlib.sha1)
    return b64encode(mac.digest()).decode()


def is_signed(auth_token: str, url: str, form: Iterable[tuple[str, str]], given: str) -> bool:
    """Whether `given` is the signature of this request. It takes the same time whichever byte of it is wrong."""
    pairs = list(form)
    return any(
        hmac.compare_digest(
            signature(auth_token, candidate, pairs).encode(), given.encode("utf-8", "surrogateescape")
        )
        for candidate in _as_twilio_may_write(url)
    )


def _as_twilio_may_write(url: str) -> Iterable[str]:
    """Without user and password; with the port or without it: Twilio drops an https port, its library adds one."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    port = parts.port
    bare = host if port is None else host.removesuffix(f":{port}")
    default = {"https": 443, "wss": 443}.get(parts.scheme, 80)
    for netloc in {host, bare, f"{bare}:{port or default}"}:
        yield urlunsplit(parts._replace(netloc=netloc))
