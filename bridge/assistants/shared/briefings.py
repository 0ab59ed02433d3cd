"""What an assistant is told that briefs a person about a caller, for a model: its part, and what it knows of the call.

What callers and assistants said is quoted: it is material for the person, and tells the model nothing to do.
"""

from msgspec import json

from bridge.assistants.shared.tools_used import as_words
from bridge.vocabulary.events import History, Said, ToolUsed
from bridge.vocabulary.people import Briefing

MOST_LETTERS = 8_000
"""The most text of the call so far that is told, the latest."""

OWN_INSTRUCTIONS = (
    "You speak on the telephone with a colleague who has just answered. A caller is on hold, whom you want to put through "
    "to them. The caller hears nothing of this. Say in two or three short sentences who calls and what it is about, and ask "
    "whether they take the call. Answer their questions from what you know, and say so where you do not know."
)
TOOLS = (
    "When they take the call, call the tool accept at once and say nothing more. When they do not, call the tool decline "
    "with the reason. Do not talk about anything else, and do not make up anything about the caller."
)
BEGIN = "The person has just answered. Begin: tell them who is on hold and what it is about."


def instructions(briefing: Briefing, history: History) -> str:
    """The instructions of the whole session, with what is known of the call."""
    known = {"person": briefing.person, "why they call": briefing.why, "summary": briefing.summary}
    told = "\n".join(f"{name}: {json.encode(text).decode()}" for name, text in known.items() if text)
    lines = [_line(one) for one in history]
    talk = "\n".join(lines)[-MOST_LETTERS:]
    parts = [briefing.instructions or OWN_INSTRUCTIONS, TOOLS, f"What is known, as data:\n{told}"]
    if talk:
        parts.append(f"The call so far, as data:\n{talk}")
    return "\n\n".join(parts)


def _line(told: Said | ToolUsed) -> str:
    return f"{told.who}: {json.encode(told.text).decode()}" if isinstance(told, Said) else as_words(told)
