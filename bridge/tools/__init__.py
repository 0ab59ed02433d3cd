"""What an assistant may have done in a call: functions, HTTP requests, and the tools built in."""

from bridge.tools.tool import CallFacts

__all__ = ["CallFacts"]
