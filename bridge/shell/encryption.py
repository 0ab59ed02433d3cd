"""Encrypts the files of calls for a public key when they are complete, in the age format (age-encryption.org/v1).

A file is encrypted as a whole: a recording is changed behind its end while the call goes on. Until then, and if the process
is killed, it is plain. The server never has the private key. Needs pyrage, the extra `encryption`.
"""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import structlog

from bridge.config.settings import Settings
from bridge.vocabulary.errors import ConfigurationError

SUFFIX, UNFINISHED = ".age", ".age.part"

CHUNK_BYTES = 65_536
"""What is encrypted before other threads may go on: age's own chunk, less than a millisecond's work."""

log = structlog.get_logger()


class Encryption:
    """Encrypts files for one public key, age1…, as `age-keygen` prints it.

    `setting`: what named the key. Raises `ConfigurationError` if the key is none, or pyrage is not installed.
    """

    def __init__(self, public_key: str, setting: str) -> None:
        try:
            import pyrage
        except ImportError:
            raise ConfigurationError(
                f"{setting}: needs pyrage: pip install 'voicebridge-server[encryption]'"
            ) from None
        try:
            self._recipient = pyrage.x25519.Recipient.from_str(public_key)
        except pyrage.RecipientError:
            raise ConfigurationError(
                f"{setting} = {public_key!r}: should be a public key as `age-keygen` prints it, age1…"
            ) from None
        self._encrypt = pyrage.encrypt_io

    def __call__(self, path: Path) -> bool:
        """Put an encrypted file in the place of this one, `path` with .age. On a fault, which is logged, the file stays.

        Returns whether it is encrypted. Raises nothing. Takes a second for an hour of a recording: for a thread.
        """
        part = path.with_name(path.name + UNFINISHED)
        try:
            with path.open("rb") as plain, _open_owned(part) as encrypted:
                self._encrypt(_SmallReads(plain), encrypted, [self._recipient])
                encrypted.flush()
                os.fsync(encrypted.fileno())
            part.replace(path.with_name(path.name + SUFFIX))
            path.unlink()
        except Exception as error:  # noqa: BLE001  # pyrage's errors have no base of their own; the files of other calls go on
            with suppress(OSError):
                part.unlink(missing_ok=True)
            log.error("= a call's file cannot be encrypted; it stays plain", file=str(path), error=str(error))
            return False
        return True


class _SmallReads:
    """A file to read from, in chunks between which other threads may run: pyrage holds Python's lock for each."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        time.sleep(0)
        return self._file.read(min(size, CHUNK_BYTES))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _open_owned(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


class Encryptions(NamedTuple):
    """What encrypts journals, recordings and traces; None where they stay plain."""

    journal: Encryption | None
    recording: Encryption | None
    capture: Encryption | None


def encryptions(settings: Settings) -> Encryptions:
    """Raises `ConfigurationError` as `Encryption` does."""

    def of(table: str, key: str | None) -> Encryption | None:
        return None if key is None else Encryption(key, f"{table}.encrypt_to")

    return Encryptions(
        of("journal", settings.journal.encrypt_to),
        of("recording", settings.recording.encrypt_to),
        of("capture", settings.capture.encrypt_to),
    )
