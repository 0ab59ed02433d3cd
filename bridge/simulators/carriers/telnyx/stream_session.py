"""The media stream that a Call Control command asks for, and the session in which a phone carries it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

RATES_HZ = {"L16": 16_000, "OPUS": 16_000, "AMR-WB": 16_000}
"""The rate that `start.media_format` names for the caller's audio; 8000 for all other codecs, also for G722."""


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """The media stream that a command asks for. Names of codecs and tracks are Telnyx's."""

    url: str
    stream_id: str
    call_control_id: str
    call_session_id: str
    caller: str
    called: str
    track: str = "inbound_track"
    codec: str = "PCMU"
    """Of the caller's audio, as `start.media_format` names it."""
    rate_hz: int = 8_000
    mode: str | None = None
    """What the server may send: `rtp`, `mp3`, or None if the command does not say."""
    bidirectional_codec: str = "PCMU"
    """Of the server's audio, in the mode rtp."""
    bidirectional_rate_hz: int = 8_000
    custom_parameters: Mapping[str, str] = field(default_factory=dict)
    client_state: str | None = None
    auth_token: str = ""
    """Sent in the header `x-telnyx-streaming-auth-token` of the upgrade."""


def read_stream_request(body: Mapping[str, Any], codec: str, **call: Any) -> StreamRequest:
    """Read the body of a command that was checked. `codec`: of the call. `call`: the fields that identify the call."""
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
    """One media stream under way. The phone opens the socket, calls `opened`, and carries the stream until `ended`.

    The message `start` is sent when `answered` is set; the socket may be opened while the call still rings. A stream
    that ends before it was answered is closed without `start` and `stop`.
    """

    def __init__(self, wanted: StreamRequest, opened: Callable[[], None]) -> None:
        self.wanted = wanted
        self.opened = opened
        self.answered = asyncio.Event()
        self.ended = asyncio.Event()


CarryStream = Callable[[TelnyxStreamSession], Awaitable[bool]]
"""Carries a stream and returns whether the phone hung up: false if the server closed it or `ended` was set.

Raises `CallRefused` if the socket cannot be opened.
"""


async def silence(stream: TelnyxStreamSession) -> bool:
    """A `CarryStream` without a socket, for calls of which only the webhooks matter."""
    stream.opened()
    await stream.ended.wait()
    return False
