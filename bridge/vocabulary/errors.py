"""The exceptions of the bridge. Those of other libraries are mapped to them where the libraries are called.

BridgeError
├── ConfigurationError   local: a file, a key or a flag is wrong; the text says what was expected
├── CallRefused          remote: a webhook or a socket did not take the call
├── WebhookRefused       local: a webhook of ours refuses a request; the carrier gets the HTTP status and the text
├── CarrierRefused       remote: a carrier's REST API refused a request, or did not answer
├── MalformedMessage     remote: a message of a known kind in a wrong shape; only that message is dropped
└── LimitExceeded        remote: an assistant sent more of something than a call can keep; its leg is closed
"""


class BridgeError(Exception):
    """The base of all exceptions that the bridge raises on purpose."""


class ConfigurationError(BridgeError):
    """A setting is missing, unknown or impossible."""


class CallRefused(BridgeError):
    """The peer did not take the call: a webhook's status, a refused upgrade, an address without a server.

    `status`: the HTTP status of a refused upgrade, if there was one. `retry_after`: its header of that name, empty if it
    has none. `body`: the beginning of its body, which may quote a secret: it is not for a log. `final`: another try would
    fail in the same way, whatever the peer does.
    """

    def __init__(
        self,
        why: str,
        *,
        status: int | None = None,
        retry_after: str = "",
        body: str = "",
        final: bool = False,
    ) -> None:
        super().__init__(why)
        self.final = final
        self.status = status
        self.retry_after = retry_after
        self.body = body


class WebhookRefused(BridgeError):
    """A webhook of ours refuses a request. `status` of HTTP; the text goes out as the answer.

    `reason`: what our log says of it in place of the text, which tells a stranger no more than needed. `address`: what
    a signature was checked against.
    """

    def __init__(self, status: int, text: str, *, reason: str = "", address: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason
        self.address = address


class CarrierRefused(BridgeError):
    """A carrier's REST API refused a request, or did not answer.

    `status`: the HTTP status, None without an answer. `code`: the carrier's own code, empty if it gave none.
    `may_be_done`: nobody knows whether the carrier has done it: it did not answer, or not in a way that says so.
    """

    def __init__(
        self, why: str, *, status: int | None = None, code: str = "", may_be_done: bool = False
    ) -> None:
        super().__init__(why)
        self.status = status
        self.code = code
        self.may_be_done = may_be_done


class MalformedMessage(BridgeError):
    """A peer sent what its protocol does not allow. The text is safe to log: it never quotes the message."""


class LimitExceeded(BridgeError):
    """An assistant sent more of something than a call can keep. The text says of what, and how many: it is the reason."""
