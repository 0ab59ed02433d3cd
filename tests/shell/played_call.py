"""One call between two played sockets: everything between them is the server's. For counting, and for measuring time."""

import asyncio
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import picows
import pytest

from bridge.assistants.echo import Echo
from bridge.assistants.openai_realtime.dialect import RealtimeDialect
from bridge.assistants.openai_realtime.settings import RealtimeSettings
from bridge.carriers.telnyx.settings import TelnyxSettings
from bridge.carriers.telnyx.stream import TelnyxStream
from bridge.carriers.twilio.stream import TwilioStream
from bridge.core.call import Call
from bridge.core.dialogue import DialogueRules
from bridge.core.timers import Limits
from bridge.settings.assistants import SocketAddress
from bridge.shell import assistant_socket, paced_intake, session
from bridge.shell.assistant_slot import NoLeg
from bridge.shell.assistant_socket import AssistantSockets
from bridge.shell.session import Session
from bridge.shell.websocket import SocketLeg
from bridge.tools.toolbox import Toolbox
from bridge.vocabulary.commands import OpenAssistant
from bridge.vocabulary.contracts import Connection, Lost, Receive
from bridge.vocabulary.message_rate import carrier_rate

AUDIO = bytes(range(160))
PAYLOAD = b64encode(AUDIO).decode()
COUNTED = ("/bridge/", "/telecodecs/")
"""The folders whose functions are counted: those of the server, not of this test."""


class PlayedFrame:
    """What picows hands over for one text message."""

    msg_type = picows.WSMsgType.TEXT
    fin = True
    rsv1 = rsv2 = rsv3 = False

    def __init__(self, text: str) -> None:
        self._text = text
        self.payload_size = len(text)

    def get_payload_as_utf8_text(self) -> str:
        return self._text


class PlayedTransport:
    """The transport of one socket: `sent` has the messages."""

    is_close_frame_sent = is_disconnected = False
    close_handshake = None

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.underlying_transport = self

    def send(self, kind: picows.WSMsgType, message: str) -> None:
        self.sent.append(message)

    def get_extra_info(self, name: str) -> None:
        return None

    def get_write_buffer_size(self) -> int:
        return 0

    def get_protocol(self) -> "PlayedTransport":
        return self

    def read_freely(self) -> None:
        pass

    def send_close(self, code: picows.WSCloseCode, reason: str) -> None:
        self.is_close_frame_sent = True

    def disconnect(self, graceful: bool = True) -> None:
        pass


class Twilio:
    """The messages of a Twilio stream."""

    start = (
        '{"event":"start","streamSid":"MZ1","start":{"callSid":"CA1","streamSid":"MZ1","tracks":["inbound"],'
        '"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},"customParameters":{}}}'
    )

    def stream(self) -> TwilioStream:
        return TwilioStream()

    def media(self, number: int) -> str:
        return (
            f'{{"event":"media","sequenceNumber":"{number}","streamSid":"MZ1","media":{{"track":"inbound",'
            f'"chunk":"{number}","timestamp":"{(number - 1) * 20}","payload":"{PAYLOAD}"}}}}'
        )


class Telnyx:
    """The messages of a Telnyx stream."""

    start = (
        '{"event":"start","sequence_number":"1","stream_id":"32de0dea","start":{"call_control_id":"v3:1",'
        '"media_format":{"encoding":"PCMU","sample_rate":8000,"channels":1}}}'
    )

    def stream(self) -> TelnyxStream:
        return TelnyxStream(TelnyxSettings())

    def media(self, number: int) -> str:
        return (
            f'{{"event":"media","sequence_number":"{number + 1}","stream_id":"32de0dea","media":{{"track":"inbound",'
            f'"chunk":"{number}","timestamp":"{number * 20}","payload":"{PAYLOAD}"}}}}'
        )


REALTIME_SESSION = (
    '{"type":"session.updated","session":{"audio":{"input":{"format":{"type":"audio/pcmu"}},'
    '"output":{"format":{"type":"audio/pcmu"}}}}}'
)
DELTA = (
    '{"type":"response.output_audio.delta","response_id":"resp_1","item_id":"item_1","output_index":0,'
    f'"content_index":0,"event_id":"event_7","delta":"{PAYLOAD}"}}'
)


class CountedCall:
    """One call between two played sockets, or between one and an assistant in this process.

    `clock`: the session's; by default no time passes, however busy the machine is.
    """

    def __init__(
        self,
        carrier: Twilio | Telnyx,
        assistant: str,
        monkeypatch: pytest.MonkeyPatch,
        clock: Callable[[], float] = lambda: 1.0,
    ) -> None:
        monkeypatch.setattr(session, "clock", clock)
        monkeypatch.setattr(assistant_socket, "connect", self._open_socket)
        monkeypatch.setattr(
            paced_intake, "clock", lambda: 0.0
        )  # counting takes longer than a slice of a turn
        self._counted: list[str] = []
        self._assistant = assistant
        self._carrier = carrier
        self._frames = 0
        self._connected, self._over = asyncio.Event(), asyncio.Event()
        stream = carrier.stream()
        core = Call(clock(), Limits(), DialogueRules(reorder_ms=stream.reorder_ms))
        self._sockets = AssistantSockets()
        self._session = Session(stream, core, self._connect, (), lambda _: None)
        self._carrier_leg = SocketLeg(self._session.carrier_said, lambda *_: None, rate=carrier_rate())
        self.to_carrier, self.to_assistant = PlayedTransport(), PlayedTransport()
        self._assistant_leg: SocketLeg | None = None
        self._carrier_leg.on_ws_connected(self.to_carrier)  # type: ignore[arg-type]  # it is played
        self._session.attach(self._carrier_leg)

    def _connect(self, command: OpenAssistant, receive: Receive, lost: Lost) -> Connection:
        tools = Toolbox("", {}).open(call_id=command.call_id, parameters={})
        if self._assistant == "echo":
            return Connection(Echo(), NoLeg(), tools)
        settings = RealtimeSettings(api_key="any", greeting=None)
        address = SocketAddress("ws://localhost/", {})
        return Connection(RealtimeDialect(settings), self._sockets.connect(address, receive, lost), tools)

    async def _open_socket(
        self, _url: str, receive: Any, lost: Lost, *, connected: Any, **_: Any
    ) -> SocketLeg:
        """Takes the place of the connection to the assistant."""
        self._assistant_leg = SocketLeg(receive, lost)
        self._assistant_leg.on_ws_connected(self.to_assistant)  # type: ignore[arg-type]
        self._assistant_leg.gone = self._until_over  # type: ignore[method-assign]
        connected(self._assistant_leg)
        self._connected.set()
        return self._assistant_leg

    async def _until_over(self) -> None:
        await self._over.wait()

    async def __aenter__(self) -> "CountedCall":
        try:
            await self._begin()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _begin(self) -> None:
        self.carrier_says(self._carrier.start)
        if self._assistant == "realtime":
            await asyncio.wait_for(self._connected.wait(), 5)
            self.assistant_says(REALTIME_SESSION)
            self.assistant_says('{"type":"response.created","response":{"id":"resp_1"}}')
            self.assistant_says(DELTA)
        for _ in range(3):
            self.caller_frame()

    async def __aexit__(self, *_: object) -> None:
        self._session.break_off("the test is over")
        self._over.set()
        self._carrier_leg.on_ws_disconnected(self.to_carrier)  # type: ignore[arg-type]
        if self._assistant_leg is not None:
            self._assistant_leg.on_ws_disconnected(self.to_assistant)  # type: ignore[arg-type]
        await self._sockets.aclose()

    def carrier_says(self, text: str) -> None:
        self._carrier_leg.on_ws_frame(self.to_carrier, PlayedFrame(text))  # type: ignore[arg-type]

    def assistant_says(self, text: str) -> None:
        assert self._assistant_leg is not None
        self._assistant_leg.on_ws_frame(self.to_assistant, PlayedFrame(text))  # type: ignore[arg-type]

    def caller_frame(self) -> None:
        self._frames += 1
        self.carrier_says(self._carrier.media(self._frames))

    @contextmanager
    def counting(self) -> Iterator[list[str]]:
        """The functions that are called inside, by name."""
        counted = self._counted

        def note(frame: FrameType, event: str, _: object) -> None:
            if event == "call" and _is_counted(frame.f_code):
                counted.append(frame.f_code.co_qualname)

        counted.clear()
        sys.setprofile(note)
        try:
            yield counted
        finally:
            sys.setprofile(None)


def _is_counted(code: CodeType) -> bool:
    return any(
        folder in Path(code.co_filename).as_posix() for folder in COUNTED
    ) and not code.co_name.startswith("<")
