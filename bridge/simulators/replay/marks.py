"""The marks of a replay: those that a trace returns, under the names that were sent this time, and not before they were sent."""

import msgspec

from bridge.vocabulary.contracts import WireMessage


def mark_name(message: WireMessage) -> str | None:
    """The name of the mark that a carrier's message is about, whoever sends it; None if it is about none."""
    if isinstance(message, bytes) or '"mark"' not in message:
        return None
    try:
        decoded = msgspec.json.decode(message)
    except (msgspec.DecodeError, RecursionError):
        return None
    mark = decoded.get("mark") if isinstance(decoded, dict) else None
    name = mark.get("name") if isinstance(mark, dict) else None
    return name if isinstance(name, str) else None


class Marks:
    """The marks of one replay. `sent_then`: their names in the trace, in the order in which they were sent."""

    def __init__(self, sent_then: list[str]) -> None:
        self._numbers = {name: number for number, name in enumerate(sent_then)}
        self._sent: list[str] = []
        self._waiting: dict[int, str] = {}  # messages by the number of the mark that they return

    def sent(self, message: WireMessage) -> str | None:
        """A message was sent to the carrier. Returns the message that returns its mark, if the trace did so already."""
        name = mark_name(message)
        if name is None:
            return None
        self._sent.append(name)
        waiting = self._waiting.pop(len(self._sent) - 1, None)
        return None if waiting is None else _renamed(waiting, name)

    def returned(self, message: str) -> str | None:
        """A message of the trace's carrier, as it is to be said now; None: it waits until its mark is sent."""
        name = mark_name(message)
        if name is None or (number := self._numbers.get(name)) is None:
            return message
        if number >= len(self._sent):
            self._waiting[number] = message
            return None
        return message if self._sent[number] == name else _renamed(message, self._sent[number])


def _renamed(message: str, name: str) -> str:
    decoded = msgspec.json.decode(message)
    decoded["mark"]["name"] = name
    return msgspec.json.encode(decoded).decode()
