"""A media stream as a phone is given it to carry."""

import asyncio
from collections.abc import Awaitable, Callable

from bridge.simulators.carriers.voice_xml import StreamElement


class TwilioStreamSession:
    """One media stream under way. The phone opens the socket, calls `opened`, and carries it until `ended` is set.

    `opened` takes the stream's sid, which the phone gives. Once it is ended, `stop` is said and the socket closed.
    """

    def __init__(
        self, order: StreamElement, call_sid: str, account_sid: str, opened: Callable[[str], None]
    ) -> None:
        self.order = order
        self.call_sid = call_sid
        self.account_sid = account_sid
        self.opened = opened
        self.ended = asyncio.Event()


CarryStream = Callable[[TwilioStreamSession], Awaitable[bool]]
"""Carries a stream; tells whether the phone hung up. False: the server closed it, or `ended` was set.

Raises `CallRefused` where no socket comes about.
"""


async def silence(stream: TwilioStreamSession) -> bool:
    """Media without a socket: for calls of which only the callbacks matter."""
    stream.opened("MZ" + "0" * 32)
    await stream.ended.wait()
    return False
