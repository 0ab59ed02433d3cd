"""A media stream as the pretend Telnyx orders it, and as a phone is given it to carry."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

RATES_HZ = {"L16": 16_000, "OPUS": 16_000, "AMR-WB": 16_000}
"""What `media_format` says of the caller's voice; of all other codecs it says 8000, of G722 too."""


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """What to open, and what goes over it. Names of codecs and tracks are Telnyx's own."""

    url: str
    stream_id: str
    call_control_id: str
    call_session_id: str
    caller: str
    called: str
    track: str = "inbound_track"
    codec: str = "PCMU"
    """Of the caller's voice, as `start.media_format` is to say."""
    rate_hz: int = 8_000
    mode: str | None = None
    """What the server may send: `rtp`, `mp3`, or nothing was asked."""
    bidirectional_codec: str = "PCMU"
    """Of what the server sends, where the mode is rtp."""
    bidirectional_rate_hz: int = 8_000
    custom_parameters: Mapping[str, str] = field(default_factory=dict)
    client_state: str | None = None
    auth_token: str = ""
    """For the upgrade's header `x-telnyx-streaming-auth-token`."""


def read_order(body: Mapping[str, Any], codec: str, **call: Any) -> StreamRequest:
    """From a command that was checked. `codec`: of the call itself; `call`: the fields that say which one it is."""
    heard = body.get("stream_codec", "default")
    heard = codec if heard == "default" else heard
    return StreamRequest(
        url=body["stream_url"],
        track=body.get("stream_track", "inbound_track"),
        codec=heard,
        rate_hz=RATES_HZ.get(heard, 8_000),
        mode=body.get("stream_bidirectional_mode"),
        bidirectional_codec=body.get("stream_bidirectional_codec", "PCMU"),
        bidirectional_rate_hz=body.get("stream_bidirectional_sampling_rate", 8_000),
        custom_parameters={one["name"]: one["value"] for one in body.get("custom_parameters", ())},
        auth_token=body.get("stream_auth_token", ""),
        **call,
    )


class TelnyxStreamSession:
    """One media stream under way. The phone opens the socket, calls `opened`, and carries it until `ended` is set.

    `start` waits for `answered`: with an early socket the call still rings. Ended before that, the socket is closed
    without `start` and without `stop`; else `stop` is said first.
    """

    def __init__(self, order: StreamRequest, opened: Callable[[], None]) -> None:
        self.order = order
        self.opened = opened
        self.answered = asyncio.Event()
        self.ended = asyncio.Event()


CarryStream = Callable[[TelnyxStreamSession], Awaitable[bool]]
"""Carries a stream; tells whether the phone hung up. False: the server closed it, or `ended` was set.

Raises `CallRefused` where no socket comes about.
"""


async def silence(stream: TelnyxStreamSession) -> bool:
    """Media without a socket: for calls of which only the webhooks matter."""
    stream.opened()
    await stream.ended.wait()
    return False
