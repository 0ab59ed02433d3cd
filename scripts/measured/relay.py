"""The barest relay between a carrier and a model: what any bridge of these two legs has to do, and nothing else.

  python -m measured.relay http://127.0.0.1:PORT/v1

It accepts the socket of a Twilio stream, opens one to an OpenAI Realtime server, and sends each frame of the caller as
`input_audio_buffer.append`, and each `response.output_audio.delta` as `media`. It searches texts for the payload: no
JSON is read, and there is no account, no mark and no timer. It prints the port that it has opened. Linux.
"""

import asyncio
import re
import sys
from collections.abc import Callable

import picows
import uvloop

PCMU = '{"format":{"type":"audio/pcmu"}}'
SESSION = (
    '{"type":"session.update","session":{"type":"realtime","audio":{"input":'
    + PCMU
    + ',"output":'
    + PCMU
    + "}}}"
).encode()
MEDIA, DELTA = b'"payload":"', b'"delta":"'
APPEND_HEAD = b'{"type":"input_audio_buffer.append","audio":"'
TEXT = picows.WSMsgType.TEXT


class ModelLeg(picows.WSListener):
    """The leg to the model."""

    def __init__(self, media_head: bytes, carrier: picows.WSTransport) -> None:
        self._media_head = media_head
        self._carrier = carrier

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        transport.send(TEXT, SESSION)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        message = frame.get_payload_as_bytes()
        if message.startswith(b'{"type":"response.output_audio.delta"'):
            at = message.index(DELTA) + len(DELTA)
            payload = message[at : message.index(b'"', at)]
            self._carrier.send(TEXT, self._media_head + payload + b'"}}')
        elif frame.msg_type is picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()


class CarrierLeg(picows.WSListener):
    """The leg of the carrier's stream. `connect`: opens the other one."""

    def __init__(self, connect: Callable[[ModelLeg], "asyncio.Future[picows.WSTransport]"]) -> None:
        self._connect = connect
        self._model: picows.WSTransport | None = None  # until it is there, frames are dropped

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        message = frame.get_payload_as_bytes()
        at = message.find(MEDIA)
        if at >= 0:
            if self._model is not None:
                at += len(MEDIA)
                self._model.send(TEXT, APPEND_HEAD + message[at : message.index(b'"', at)] + b'"}')
        elif b'"start"' in message:
            stream = re.search(rb'"streamSid":"(\w+)"', message)
            assert stream is not None
            head = b'{"event":"media","streamSid":"' + stream[1] + b'","media":{"payload":"'
            self._connect(ModelLeg(head, transport)).add_done_callback(self._connected)
        elif frame.msg_type is picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def _connected(self, connecting: "asyncio.Future[picows.WSTransport]") -> None:
        self._model = connecting.result()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        if self._model is not None:
            self._model.disconnect()


async def relay(base_url: str) -> None:
    """Serve until the process is ended. `base_url`: of the OpenAI Realtime server."""
    url = base_url.replace("http", "ws", 1) + "/realtime?model=gpt-realtime"

    async def open_model(leg: ModelLeg) -> picows.WSTransport:
        transport, _ = await picows.ws_connect(
            lambda: leg, url, extra_headers={"Authorization": "Bearer any"}
        )
        return transport

    server = await picows.ws_create_server(
        lambda _: CarrierLeg(lambda leg: asyncio.ensure_future(open_model(leg))), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(relay(sys.argv[1]))
