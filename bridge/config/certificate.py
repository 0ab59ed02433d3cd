"""Loads the server's certificate and its key, and says which of the two is wrong."""

import ssl
from pathlib import Path
from typing import NoReturn

from bridge.vocabulary.errors import ConfigurationError

CERTIFICATE, KEY = "-----BEGIN CERTIFICATE-----", "PRIVATE KEY-----"


def load_certificate(certfile: Path, keyfile: Path | None) -> ssl.SSLContext:
    """The server's side of TLS. Without `keyfile` the key is in the file of the certificate.

    Raises `ConfigurationError`, which names the file that is wrong.
    """
    key_name, key_path = ("ssl_certfile", certfile) if keyfile is None else ("ssl_keyfile", keyfile)
    if CERTIFICATE not in _text("ssl_certfile", certfile):
        _refuse("ssl_certfile", certfile, f"has no certificate: expected PEM with {CERTIFICATE}")
    if KEY not in _text(key_name, key_path):
        _refuse(key_name, key_path, f"has no private key: expected PEM with -----BEGIN {KEY}")

    def no_password() -> str:
        _refuse(key_name, key_path, "is encrypted: expected a private key without a password")

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certfile, keyfile, no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            _refuse(key_name, key_path, f"is the key of another certificate: expected that of {certfile}")
        _refuse("ssl_certfile", certfile, f"cannot be read with its key {key_path}: {error}: expected PEM")
    return context


def _text(name: str, file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        _refuse(name, file, f"{error.strerror}: expected a file in PEM")


def _refuse(name: str, file: Path, why: str) -> NoReturn:
    raise ConfigurationError(f"{name} = {str(file)!r}: {why}")
