"""A call to a server on this machine that is signed as if it came by the server's public address.

The settings of a production server can be tried with it before a number is pointed there. The proxy in front of the
server is played too: it takes the path of the public address away, and keeps the header Host.
"""

import ssl
from base64 import b64encode
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from bridge.settings.table import checked_base_url
from bridge.vocabulary.errors import CallRefused, ConfigurationError

SOCKET_SCHEMES = {"http": "ws", "https": "wss"}


@dataclass(frozen=True)
class Rehearsal:
    """`public_url`: the server's, without a slash at its end. `url`: what is called on this machine."""

    public_url: str
    url: str

    @cached_property
    def _public(self) -> SplitResult:
        return urlsplit(self.public_url)

    @cached_property
    def _local(self) -> SplitResult:
        return urlsplit(self.url)

    @property
    def public(self) -> str:
        """`url` as the carrier knows it: the address that is signed."""
        local, public = self._local, self._public
        scheme = SOCKET_SCHEMES[public.scheme] if local.scheme in ("ws", "wss") else public.scheme
        return local._replace(scheme=scheme, netloc=public.netloc, path=public.path + local.path).geturl()

    def reached(self, socket_url: str) -> str:
        """The address on this machine of a media socket that the server names by its public address.

        Raises `CallRefused` if that is another one than `public_url`: the carrier would call somebody else.
        """
        asked, public = urlsplit(socket_url), self._public
        expected = public._replace(scheme=SOCKET_SCHEMES[public.scheme])
        if asked[:2] != expected[:2] or not asked.path.startswith(f"{public.path}/"):
            raise CallRefused(
                f"the server names its media socket {asked.scheme}://{asked.netloc}: expected {expected.geturl()}, "
                "as --public-url says; is public_url in the server's settings the same?"
            )
        scheme = "wss" if self._local.scheme in ("https", "wss") else "ws"
        path = asked.path.removeprefix(public.path)
        return asked._replace(scheme=scheme, netloc=self._local.netloc, path=path).geturl()

    def called(self, url: str) -> str:
        """The address on this machine of a webhook that the server names by its public address; any other as it is."""
        asked, public = urlsplit(url), self._public
        if asked[:2] != public[:2] or not asked.path.startswith(f"{public.path}/"):
            return url
        path = asked.path.removeprefix(public.path)
        return asked._replace(scheme=self._local.scheme, netloc=self._local.netloc, path=path).geturl()

    @property
    def headers(self) -> dict[str, str]:
        """The header Host, which a proxy passes on."""
        return {"Host": self._public.netloc.rpartition("@")[2]}

    @property
    def tls(self) -> ssl.SSLContext | None:
        """TLS to this machine, not verified: the certificate bears the public name. None where there is no TLS."""
        if self._local.scheme not in ("https", "wss"):
            return None
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context


def read_private_key(file: Path) -> str:
    """The Ed25519 key of a PEM file, as base64 of its seed. Raises `ConfigurationError`."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except OSError as error:
        raise ConfigurationError(f"--sign-key {file}: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(
            f"--sign-key {file}: not an Ed25519 key in PEM: expected one such as `openssl genpkey -algorithm ed25519` writes"
        )
    return b64encode(key.private_bytes_raw()).decode()


def read_rehearsal(public_url: str, url: str) -> Rehearsal | None:
    """The rehearsal that the command line asks for; None without `public_url`. Raises `ConfigurationError`."""
    if not public_url:
        return None
    try:
        public = checked_base_url(public_url)
    except ValueError as error:
        raise ConfigurationError(f"--public-url {public_url!r}: {error}") from None
    if urlsplit(url).scheme not in ("http", "https", "ws", "wss") or not urlsplit(url).netloc:
        raise ConfigurationError(
            f"{url}: not an address on this machine: expected one such as http://127.0.0.1:8080/twilio/voice"
        )
    return Rehearsal(public, url)
