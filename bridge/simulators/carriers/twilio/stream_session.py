"""The session in which a phone carries a media stream of a simulated Twilio call."""

import asyncio
from collections.abc import Awaitable, Callable

from bridge.simulators.carriers.voice_xml import StreamElement


class TwilioStreamSession:
    """One media stream under way. The phone opens the socket, calls `opened`, and carries the stream until `ended`.

    `opened` takes the stream's sid, which the phone chooses. When `ended` is set the phone sends `stop` and closes.
    """

    def __init__(
        self, wanted: StreamElement, call_sid: str, account_sid: str, opened: Callable[[str], None]
    ) -> None:
        self.wanted = wanted
        self.call_sid = call_sid
        self.account_sid = account_sid
        self.opened = opened
        self.ended = asyncio.Event()


CarryStream = Callable[[TwilioStreamSession], Awaitable[bool]]
"""Carries a stream and returns whether the phone hung up: false if the server closed it or `ended` was set.

Raises `CallRefused` if the socket cannot be opened.
"""


async def silence(stream: TwilioStreamSession) -> bool:
    """A `CarryStream` without a socket, for calls of which only the callbacks matter."""
    stream.opened("MZ" + "0" * 32)
    await stream.ended.wait()
    return False
