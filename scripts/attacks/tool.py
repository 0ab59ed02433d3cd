"""The tool that the attacking assistant calls."""


def look(text: str) -> str:
    """Look at a text.

    Args:
        text: any.
    """
    return str(len(text))
