"""What an attack knows of the server: its port and keys; and how a carrier that is really one places a call there."""

import json
import time
from dataclasses import asdict, dataclass
from urllib.parse import urlencode

from attacks.wire import Peer, Refused, exchange, post
from bridge.simulators.carriers.telnyx import texml
from bridge.simulators.carriers.telnyx.media import SimulatedTelnyxStream, new_call_control_id
from bridge.simulators.carriers.twilio.media import SimulatedTwilioStream, new_sid
from bridge.simulators.carriers.twilio.voice_webhook import call_form, read_twiml, signed_headers
from bridge.vocabulary.errors import CallRefused

STRANGER = "127.0.0.9"
"""The address from which attacks come, so that a limit on one address does not meet the good calls."""

Stream = SimulatedTwilioStream | SimulatedTelnyxStream


@dataclass(frozen=True)
class Target:
    """One server. `seconds`: how long a flood lasts. `assistant_port`: where the assistants of the settings are."""

    port: int
    pid: int
    auth_token: str
    telnyx_seed: str
    seconds: float
    assistant_port: int

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def webhook(self, call_sid: str, query: str = "") -> bytes:
        """The request of a Twilio call that rings, signed."""
        path = f"/twilio/voice{query}"
        form = call_form(
            call_sid=call_sid, account_sid="AC" + "0" * 32, caller="+15550100", called="+15550101"
        )
        return post(path, urlencode(form).encode(), signed_headers(self.url + path, form, self.auth_token))

    async def ask(self, call_sid: str, query: str = "", *, source: str = STRANGER) -> str:
        """The URL of the media socket of a Twilio call. Raises `Refused`, also for a caller who is told to go."""
        status, body = await exchange(self.port, self.webhook(call_sid, query), source=source)
        if status != 200:
            raise Refused(status, "the webhook")
        try:
            return read_twiml(body, self.url).url
        except CallRefused as refused:
            raise Refused(503, str(refused)) from refused

    async def call(
        self, query: str = "", *, source: str = STRANGER, receive_bytes: int = 0
    ) -> tuple[Peer, SimulatedTwilioStream]:
        """A Twilio call that has said `start`."""
        stream = SimulatedTwilioStream(call_sid=new_sid("CA"), account_sid="AC" + "0" * 32)
        url = await self.ask(stream.call_sid, query, source=source)
        peer = await Peer.connect(url, source=source, receive_bytes=receive_bytes)
        for message in stream.opening():
            peer.send(message)
        return peer, stream

    async def telnyx_call(self, query: str = "") -> tuple[Peer, SimulatedTelnyxStream]:
        """A Telnyx call by TeXML that has said `start`."""
        call_id = new_call_control_id()
        form = texml.texml_form(
            call_control_id=call_id, account_sid="any", caller="+15550100", called="+15550101"
        )
        body = urlencode(form).encode()
        signed = texml.signed_headers(body, self.telnyx_seed, time.time())
        status, answer = await exchange(
            self.port, post(f"/telnyx/texml{query}", body, signed), source=STRANGER
        )
        if status != 200:
            raise Refused(status, "the webhook")
        wanted = texml.read_texml(answer, self.url)
        stream = SimulatedTelnyxStream(call_control_id=call_id)
        peer = await Peer.connect(wanted.url, source=STRANGER)
        for message in stream.opening():
            peer.send(message)
        return peer, stream
