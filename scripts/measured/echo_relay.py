"""The least that can be an echo: what comes back from it costs the load test itself, and nearly nothing else.

  python -m measured.echo_relay

It accepts the sockets of Twilio streams, finds the payload in each text and sends it back. It prints the port that it has
opened. Linux.
"""

import re

import picows
import uvloop

MEDIA = b'"payload":"'


class EchoLeg(picows.WSListener):
    """One call."""

    def __init__(self) -> None:
        self._head = b""

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        message = frame.get_payload_as_bytes()
        at = message.find(MEDIA)
        if at >= 0:
            at += len(MEDIA)
            payload = message[at : message.index(b'"', at)]
            transport.send(picows.WSMsgType.TEXT, self._head + payload + b'"}}')
        elif b'"start"' in message:
            stream = re.search(rb'"streamSid":"(\w+)"', message)
            assert stream is not None
            self._head = b'{"event":"media","streamSid":"' + stream[1] + b'","media":{"payload":"'
        elif frame.msg_type is picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()


async def serve() -> None:
    """Serve until the process is ended."""
    server = await picows.ws_create_server(lambda _: EchoLeg(), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
