"""Tool calls of earlier assistants in words, for a model that has no such tool: its own calls have items of their own.

The words are in brackets, as an entry from the keypad is: nobody in the call said them.
"""

from bridge.vocabulary.events import ToolUsed


def as_words(used: ToolUsed) -> str:
    """What was called, and its output, if it is known by now."""
    called = f"the tool {used.tool} was called with {used.arguments}"
    if used.output is None:
        return f"[{called}; it still runs, its output will follow]"
    return f"[{called}; its output: {used.output}]"


def late_words(used: ToolUsed, output: str) -> str:
    """The output of a call that was told before."""
    return f"[the tool {used.tool}, which was called with {used.arguments}, has ended; its output: {output}]"
