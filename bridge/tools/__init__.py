"""The tools that assistants may call: Python functions, HTTP requests, and the built-in ones."""

from bridge.tools.tool import CallFacts

__all__ = ["CallFacts"]
