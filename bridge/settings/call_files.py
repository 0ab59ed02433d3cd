"""The settings of what is kept of calls: [journal], [recording] and [capture]."""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from bridge.redaction import is_private_key
from bridge.settings.assistants import PlayAnnouncement
from bridge.settings.table import Section

_PUBLIC_KEY = re.compile(r"age1[02-9ac-hj-np-z]{58}", re.ASCII)


def _checked_public_key(key: str) -> str:
    if is_private_key(key):
        raise ValueError(
            "this is the private key, which the server should never have: should be the public one, age1…"
        )
    if not _PUBLIC_KEY.fullmatch(key):
        raise ValueError("should be a public key as `age-keygen` prints it, age1 and 58 letters and digits")
    return key


PublicKey = Annotated[str, AfterValidator(_checked_public_key)]

ENCRYPT_TO = (
    "The public key, age1…, for which each file is encrypted when its call is over; the server needs the extra `encryption`, "
    "and whoever reads the files the private key and the program `age`. Not set: files are plain"
)


def _as_folder(table: Any, name: str) -> Any:
    """A table with a folder. Raises ValueError where only the wish for one is given, or its name."""
    if isinstance(table, (bool, str)):
        words = ("true", "yes", "on", "1", "false", "no", "off", "0", "")
        folder = table if isinstance(table, str) and table.lower() not in words else "…"
        raise ValueError(f'should be a table: [{name}] directory = "{folder}"')  # noqa: TRY004  # pydantic's
    return table


class JournalSettings(Section):
    """[journal]"""

    directory: Path | None = Field(
        None, description="The folder for journals: a file of JSON lines for each call. Not set: no journals"
    )
    retention_days: int | None = Field(
        None,
        ge=1,
        description="After how many days from the start of its call a journal is deleted. Not set: never",
    )
    encrypt_to: PublicKey | None = Field(None, description=ENCRYPT_TO)

    @model_validator(mode="before")
    @classmethod
    def _check_table(cls, table: Any) -> Any:
        return _as_folder(table, "journal")


class RecordingSettings(Section):
    """[recording]"""

    directory: Path | None = Field(
        None, description="The folder for recordings: a stereo WAV file for each call. Not set: no recordings"
    )
    retention_days: int | None = Field(
        None,
        ge=1,
        description="After how many days from the start of its call a recording is deleted. Not set: never",
    )
    encrypt_to: PublicKey | None = Field(None, description=ENCRYPT_TO)
    announce: PlayAnnouncement | None = Field(
        None,
        description='What the caller hears at the start of a call that is recorded, such as { play = "recorded.wav" }. It '
        "cannot be interrupted, the assistant's first words wait for its end, and the recording begins with it. Not set: "
        "nothing",
    )

    @model_validator(mode="before")
    @classmethod
    def _check_table(cls, table: Any) -> Any:
        return _as_folder(table, "recording")


class CaptureSettings(Section):
    """[capture]"""

    directory: Path | None = Field(
        None,
        description="The folder for traces: a file for each call with every message of the carrier's socket, audio too, which "
        "`voicebridge replay` plays again. Not set: no traces",
    )
    assistant: bool = Field(
        False,
        description="Whether a trace has the messages of the assistant's leg as well. Without them it can be replayed without a "
        "server only if the assistant is a built-in one",
    )
    unmasked: bool = Field(
        False,
        description="Whether traces show telephone numbers, and secrets that occur in messages. Sensitive keys are never shown",
    )
    retention_days: int | None = Field(
        None,
        ge=1,
        description="After how many days from the start of its call a trace is deleted. Not set: never",
    )
    encrypt_to: PublicKey | None = Field(None, description=ENCRYPT_TO)

    @model_validator(mode="before")
    @classmethod
    def _check_table(cls, table: Any) -> Any:
        return _as_folder(table, "capture")
