"""How long a peer asks to be left alone: in words, or by the header Retry-After.

Source: RFC 9110, 10.2.3 (seconds, or a date) and 5.6.7 (its forms); OpenAI's errors of rate limits, "Please try again in
2.400s", "… in 6m0s", "… in 20ms".
"""

import re
from email.utils import mktime_tz, parsedate_tz

LONGEST_S = 86_400.0
"""A longer wait counts as this long; no call lasts so long."""

_UNIT = r"ms|milliseconds?|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d"
_WAIT = rf"\d{{1,9}}(?:\.\d{{1,9}})?\s?(?:{_UNIT})(?![a-z])"
_WORDS = re.compile(rf"\b(?:try again|retry)\s(?:in|after)\s((?:{_WAIT}\s?){{1,4}})", re.IGNORECASE)
_PART = re.compile(r"([\d.]+)\s?([a-z]+)")
_SECONDS = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def from_text(text: str) -> float | None:
    """The seconds that a text asks for, "try again in 2.4s" or "retry after 1m30s"; None if it asks for nothing."""
    found = _WORDS.search(text)
    if found is None:
        return None
    parts = _PART.findall(found[1].lower())
    return min(LONGEST_S, sum(float(number) * _unit_s(unit) for number, unit in parts))


def _unit_s(unit: str) -> float:
    return next(_SECONDS[start] for start in ("ms", "milli", unit[0]) if unit.startswith(start))


def from_header(value: str, unix_s: float) -> float | None:
    """The seconds that `Retry-After` asks for, 0 if its date has passed; None if it cannot be read.

    `unix_s`: the present time, in seconds since 1970.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(LONGEST_S, float(value[:20]))
    date = parsedate_tz(value)
    if date is None:
        return None
    try:
        then_s = mktime_tz((*date[:9], date[9] or 0))
    except (ValueError, OverflowError):
        return None
    return min(LONGEST_S, max(0.0, then_s - unix_s))


def in_words(seconds: float) -> str:
    """The wait as `from_text` reads it."""
    return f"try again in {round(seconds, 3):g} s"
