"""Puts the fragments of one peer's messages together (RFC 6455, 5.4). Without I/O."""

from bridge.vocabulary.contracts import WireMessage
from bridge.vocabulary.errors import BridgeError


class BrokenProtocol(BridgeError):
    """The peer broke the WebSocket protocol. `code`: what the connection is closed with (RFC 6455, 7.4.1)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Fragments:
    """The message that is coming. `most_bytes`: how long it may be."""

    def __init__(self, most_bytes: int) -> None:
        self.parts: list[bytes] = []
        """What has come of it; empty between two messages."""
        self._most_bytes = most_bytes
        self._weigh = 0
        self._is_text = False

    def add(self, payload: bytes, *, continues: bool, is_text: bool, fin: bool) -> WireMessage | None:
        """The whole message where this frame ends it, else None. Raises `BrokenProtocol`."""
        if continues is not bool(self.parts):
            raise BrokenProtocol(1002, "the fragments are out of order")
        if not continues:
            self._is_text = is_text
        self.parts.append(payload)
        self._weigh += max(1, len(payload))  # an empty fragment takes memory too
        if self._weigh > self._most_bytes:
            raise BrokenProtocol(1009, f"the message is too long: expected at most {self._most_bytes} bytes")
        if not fin:
            return None
        whole = b"".join(self.parts)
        self.parts.clear()
        self._weigh = 0
        if not self._is_text:
            return whole
        try:
            return whole.decode()
        except UnicodeDecodeError:  # RFC 6455, 8.1
            raise BrokenProtocol(1007, "the text is not UTF-8") from None
