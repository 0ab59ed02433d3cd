"""Reads the fields of a carrier's messages that a call can do without, in whatever shape they come.

Such a field is read as far as it can be, else left out; each one that came in another shape than the documented one is
counted. No socket, no clock.
"""

from msgspec import json

SHAPE_NAME, SHAPE_VALUE = "name", "value"
"""The keys of one custom parameter where they come as a list; Telnyx takes them so in its requests."""


class LenientFields:
    """The optional fields of one stream."""

    def __init__(self) -> None:
        self.count = 0
        """How many fields came in another shape than the documented one."""

    def parameters(self, value: object) -> dict[str, str]:
        """Custom parameters: an object with texts as its values, or a list of objects with `name` and `value`.

        A value that is no text becomes its JSON; null is left out.
        """
        if isinstance(value, dict):
            found = {name: self._as_text(one) for name, one in value.items()}
        elif isinstance(value, list):
            self.count += 1
            pairs = [one for one in value if isinstance(one, dict) and isinstance(one.get(SHAPE_NAME), str)]
            found = {one[SHAPE_NAME]: self._as_text(one.get(SHAPE_VALUE)) for one in pairs}
        else:
            self.count += 1
            found = {}
        return {name: text for name, text in found.items() if text is not None}

    def text(self, value: object) -> str:
        """A text; empty where it is something else."""
        if isinstance(value, str):
            return value
        self.count += 1
        return ""

    def texts(self, value: object) -> tuple[str, ...]:
        """A list of texts; one text alone is a list of one."""
        if isinstance(value, list):
            found = (self._as_text(one) for one in value)
            return tuple(text for text in found if text is not None)
        self.count += 1
        return (value,) if isinstance(value, str) and value else ()

    def number(self, value: object, otherwise: int) -> int:
        """A whole number, or a text of its digits; `otherwise` where it is something else."""
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:
            return int(value)
        self.count += 1
        return otherwise

    def _as_text(self, value: object) -> str | None:
        if isinstance(value, str):
            return value
        self.count += 1
        return None if value is None else json.encode(value).decode()
