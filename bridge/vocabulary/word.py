"""The base of all events and commands."""

from msgspec import Struct


class Word(Struct, frozen=True, tag=True, tag_field="what"):
    """The base of all events and commands."""
