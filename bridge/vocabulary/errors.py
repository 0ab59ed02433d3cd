"""The one family of exceptions; what other libraries raise is mapped to it at the edge.

BridgeError
├── ConfigurationError   local: a file, a key or a flag is wrong; the text says what would be right
├── CallRefused          remote: a webhook or a socket did not take the call
├── WebhookRefused       local: a webhook of ours refuses a request; the carrier gets the HTTP status and the text
├── CarrierRefused       remote: a carrier did not do what its REST API was asked
└── MalformedMessage     remote: a message of a known kind in a wrong shape; costs that message only
"""


class BridgeError(Exception):
    """Any fault that the bridge foresees."""


class ConfigurationError(BridgeError):
    """A setting is missing, unknown or impossible."""


class CallRefused(BridgeError):
    """The other side did not take the call: a webhook's status, a refused upgrade, an address without a server.

    `status`: of HTTP, where an upgrade was refused with one.
    """

    def __init__(self, why: str, *, status: int | None = None) -> None:
        super().__init__(why)
        self.status = status


class WebhookRefused(BridgeError):
    """A webhook of ours refuses a request. `status` of HTTP; the text goes out as the answer.

    `reason`: what our log says of it, where it should; the text tells a stranger no more than needed.
    """

    def __init__(self, status: int, text: str, *, reason: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason


class CarrierRefused(BridgeError):
    """A carrier did not do what its REST API was asked. `status` of HTTP, None without an answer; `code`: its own."""

    def __init__(self, why: str, *, status: int | None = None, code: str = "") -> None:
        super().__init__(why)
        self.status = status
        self.code = code


class MalformedMessage(BridgeError):
    """A peer sent what its own protocol does not allow. The text is safe to log: it never quotes the message."""
