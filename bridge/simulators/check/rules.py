"""The rules that an assistant is checked for, in the order of the report."""

from enum import StrEnum

STREAM = "stream"
"""The kind of assistant for which all rules hold."""


class Rule(StrEnum):
    """One rule, as the report names it."""

    HELLO = "is ready in time"
    GREETING = "greets"
    ANSWERS = "answers what the caller says"
    INTERRUPTION = "stops when the caller speaks over it"
    KEYS = "takes keys"
    ENTRY = "asks for an entry"
    UNKNOWN = "ignores what it does not know"
    ERROR = "survives an error"
    SILENCE = "survives silence"
    RECOVERY = "comes back after a broken connection"
    TWO_CALLS = "keeps two calls apart"
    GOODBYE = "lets go at the end"
    AUDIO = "speaks in whole samples, with a sound"
    ITEMS = "ends each item"
    MESSAGES = "says nothing that the bridge refuses"


OF_STREAMS = frozenset({Rule.INTERRUPTION, Rule.ENTRY, Rule.UNKNOWN, Rule.ERROR, Rule.AUDIO, Rule.ITEMS})
"""Rules for stream assistants only; the others have neither items nor JSON."""

OF_CONNECTIONS = frozenset({Rule.HELLO, Rule.RECOVERY, Rule.TWO_CALLS, Rule.GOODBYE})
"""Rules about connections, which an assistant that gets POSTs does not have."""


def rules_for(kind: str, *, posted: bool) -> tuple[Rule, ...]:
    """The rules for an assistant of this kind. `posted`: it gets POSTs instead of a WebSocket."""
    others = (OF_STREAMS if kind != STREAM else frozenset()) | (OF_CONNECTIONS if posted else frozenset())
    return tuple(rule for rule in Rule if rule not in others)
