"""Who calls whom, and what is to be different in this call: what an assistant and its tools are told before the first word.

All of it was written by others, most of it by whoever calls: `cleaned` bounds such a text, and a prompt gets it only
through `assistants.shared.templates`.
"""

import json
import unicodedata
from collections.abc import Mapping

from msgspec import Struct, field, structs, to_builtins

LONGEST = 64
"""Characters of a number, a name or another word of the carrier's."""

LONGEST_VARIABLE = 500
"""Characters of the value of a variable."""

MOST_VARIABLES = 32

FACTS_HEADER = "X-Voicebridge-Facts"

LONGEST_HEADER = 6_000
"""Characters of that header. Servers read lines of 8,190 bytes, or 8,192."""

FORMAT_CHARACTERS = "Cf"
"""The category of characters that are not seen, such as those that change the direction of writing (Unicode)."""


class Facts(Struct, frozen=True, omit_defaults=True):
    """Who calls whom. What is not known is empty. As JSON, `from_` is "from", and what is empty is left out."""

    from_: str = field(default="", name="from")
    """The calling number or address, as the carrier writes it."""
    to: str = ""
    """The called number or address."""
    direction: str = ""
    """inbound, or outbound where we placed the call."""
    caller_name: str = ""
    """The name that the carrier shows for the calling number."""
    answered_by: str = ""
    """The carrier's verdict who answered a call that we placed, such as human."""
    verified: bool = False
    """A webhook that the carrier signed said all this. It does not prove that the number is the caller's own."""
    attestation: str = ""
    """What the calling number is worth (STIR/SHAKEN), in the carrier's word, such as TN-Validation-Passed-A."""
    variables: dict[str, str] = field(default_factory=dict)
    """What the address of [before_call] says of this call, each text by a name."""


class CallContext(Struct, frozen=True):
    """What is different in this call: the facts, and what the address of [before_call] answered."""

    facts: Facts = Facts()
    instructions: str = ""
    """More instructions, behind those of the settings."""
    greeting: str = ""
    """The words with which the assistant opens the call, in place of the settings' greeting."""
    parameters: dict[str, str] = field(default_factory=dict)
    """More parameters of the call; they take the place of the stream's of the same name."""
    put_through: str = ""
    """The person, by a name of the settings, whom the caller is put through to at once."""


NO_CONTEXT = CallContext()
"""Of a call of which nothing is known."""


def cleaned(text: str, longest: int = LONGEST) -> str:
    """Return a text that somebody else wrote, on one line, without control characters, and at most `longest` characters."""
    seen = (letter for letter in text[: 4 * longest] if unicodedata.category(letter) != FORMAT_CHARACTERS)
    one_line = "".join(letter if letter.isprintable() else " " for letter in seen)
    return " ".join(one_line.split())[:longest].rstrip()


def facts_of(
    fields: Mapping[str, str], *, direction: str = "", answered_by: str = "", verified: bool = False
) -> Facts:
    """The facts in `fields`: from, to, caller_name and attestation, each as somebody else wrote it."""
    return Facts(
        from_=cleaned(fields.get("from", "")),
        to=cleaned(fields.get("to", "")),
        direction=direction,
        caller_name=cleaned(fields.get("caller_name", "")),
        answered_by=cleaned(answered_by),
        verified=verified,
        attestation=cleaned(fields.get("attestation", "")),
    )


def facts_header(facts: Facts) -> dict[str, str]:
    """The header of an HTTP request that tells the facts, as JSON in ASCII; none where nothing is known.

    Variables that would make it longer than servers read are left out.
    """
    if facts == Facts():
        return {}
    value = _ascii_json(facts)
    if len(value) > LONGEST_HEADER:
        value = _ascii_json(structs.replace(facts, variables={}))
    return {FACTS_HEADER: value}


def _ascii_json(facts: Facts) -> str:
    return json.dumps(to_builtins(facts), ensure_ascii=True)
