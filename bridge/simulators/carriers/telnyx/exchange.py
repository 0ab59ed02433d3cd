"""Sets up one simulated Telnyx call by TeXML: asks the webhook for a stream, or is told of one, and names its socket.

A call under Call Control is set up by the simulated REST server instead: see `call_control`.
"""

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

from bridge.simulators.carriers.contract import CallOptions, MediaSocket, is_webhook
from bridge.simulators.carriers.rehearsal import Rehearsal
from bridge.simulators.carriers.telnyx.coding import PCMU, Coding, Mode
from bridge.simulators.carriers.telnyx.media import SimulatedTelnyxStream, new_call_control_id, token_headers
from bridge.simulators.carriers.telnyx.texml import TexmlStream, ask_texml_webhook
from bridge.simulators.carriers.telnyx.webhooks import TEST_SEED
from bridge.simulators.phone.plan import CallPlan
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.format import AudioFormat


@dataclass(frozen=True, slots=True)
class TelnyxExchange:
    """An `Exchange` of Telnyx's, for TeXML webhooks and for media sockets called directly.

    With `private_key` (Ed25519, base64 of its 32 byte seed) the webhook's request is signed. `stream_token` goes with
    the WebSocket upgrade and with the message `connected`.
    """

    says: Coding = PCMU
    """The codec of the call itself, and so of the caller's audio."""
    hears: Coding = PCMU
    """The codec of the server's audio, for a media socket called directly; of a webhook's stream only the byte order."""
    mode: Mode = "rtp"
    """What the server sends, for a media socket called directly; a webhook's answer names its own."""
    reconnects: bool = False
    """Whether Telnyx connects again when the connection breaks, likewise."""
    private_key: str = field(default="", repr=False)
    stream_token: str = field(default="", repr=False)
    call_control_id: str = field(default_factory=new_call_control_id)
    account_sid: str = field(default_factory=lambda: str(uuid4()))
    rehearsal: Rehearsal | None = None

    @property
    def line(self) -> AudioFormat:
        """The format of the caller's audio before the call's packet codec, if it has one."""
        return self.says.format

    async def open(self, url: str, plan: CallPlan, *, caller: str, called: str) -> MediaSocket:
        """See `Exchange`."""
        if is_webhook(url):
            wanted = await ask_texml_webhook(
                url,
                call_control_id=self.call_control_id,
                account_sid=self.account_sid,
                caller=caller,
                called=called,
                private_key=self.private_key,
                unix_now=time.time(),
                rehearsal=self.rehearsal,
            )
        else:
            wanted = TexmlStream(
                self.rehearsal.public if self.rehearsal else url,
                plan.parameters,
                plan.one_way,
                plan.tracks,
                mode=self.mode,
                hears=self.hears,
                reconnects=self.reconnects,
            )
        return self._socket(wanted, caller, called)

    def _socket(self, wanted: TexmlStream, caller: str, called: str) -> MediaSocket:
        return self.socket(wanted, self.call_control_id, caller, called)

    def socket(self, wanted: TexmlStream, call_control_id: str, caller: str, called: str) -> MediaSocket:
        """The socket of a stream of the call with this id. Raises `CallRefused` if a rehearsal cannot reach it."""
        make_stream = partial(
            SimulatedTelnyxStream,
            call_control_id=call_control_id,
            says=self._transcoded(wanted.codec),
            hears=replace(wanted.hears, byteorder=self.hears.byteorder),
            mode=wanted.mode,
            line=self.line,
            tracks=wanted.tracks,
            parameters=wanted.parameters,
            one_way=wanted.one_way,
            caller=caller,
            called=called,
            stream_token=self.stream_token,
            began_at=datetime.now(UTC),
        )
        reconnect = make_stream if wanted.reconnects else None
        socket = MediaSocket(wanted.url, token_headers(self.stream_token), make_stream(), reconnect)
        return socket.in_rehearsal(self.rehearsal)

    def _transcoded(self, codec: str) -> Coding:
        """The codec in which the caller's audio is sent when the TeXML asks for `codec`.

        Telnyx transcodes between PCMU and PCMA; any other request leaves the call's own codec.
        """
        both = {self.says.codec, codec}
        return Coding(codec) if both == {"PCMU", "PCMA"} else self.says


def telnyx_exchange(options: CallOptions) -> TelnyxExchange:
    """The exchange that the command line asks for; without a key of its own it signs with the published test key.

    Raises `ConfigurationError` for a codec, rate or byte order that Telnyx does not have, or whose library is missing.
    """
    says = _coding("codec", "rate", options.codec or "PCMU", options.rate_hz, options.byteorder)
    says.pack(says.format)  # raises if the codec's library is missing
    exchange = TelnyxExchange(says, private_key=options.private_key or TEST_SEED, rehearsal=options.rehearsal)
    play_codec, play_rate_hz = options.play_codec, options.play_rate_hz
    if play_codec.upper() == "MP3":
        return replace(exchange, mode="mp3")
    if not play_codec:
        play_codec, play_rate_hz = says.codec, play_rate_hz or says.rate_hz
    hears = _coding("play-codec", "play-rate", play_codec, play_rate_hz, options.byteorder)
    hears.unpack()  # likewise
    return replace(exchange, hears=hears)


def _coding(codec_option: str, rate_option: str, codec: str, rate_hz: int, byteorder: str) -> Coding:
    if byteorder not in ("little", "big"):
        raise ConfigurationError(f"--byteorder: unknown byte order {byteorder!r}; expected little or big")
    try:
        return Coding(codec.upper(), rate_hz, "big" if byteorder == "big" else "little")
    except ConfigurationError as error:
        raise ConfigurationError(f"--{codec_option}, --{rate_option}: {error}") from None
