"""The part of a carrier that sets a call up: it asks a voice webhook for a stream, or is told of one, and opens it.

An exchange serves one call. What it returns, `line` carries.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, Protocol
from uuid import uuid4

from bridge.simulators.carriers.contract import SimulatedStream
from bridge.simulators.carriers.telnyx.coding import PCMU, Coding, Mode
from bridge.simulators.carriers.telnyx.media import SimulatedTelnyxStream, new_call_control_id
from bridge.simulators.carriers.telnyx.texml import TexmlOrder, order_texml
from bridge.simulators.carriers.telnyx.webhooks import TEST_SEED
from bridge.simulators.carriers.twilio.media import SimulatedTwilioStream, new_sid
from bridge.simulators.carriers.twilio.voice_webhook import StreamOrder, order_stream, signed_headers
from bridge.simulators.phone.plan import CallPlan
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.format import PCMU_8K, AudioFormat

TOKEN_HEADER = "x-telnyx-streaming-auth-token"  # noqa: S105 - its name


class Stream(NamedTuple):
    """A media stream that is to be opened."""

    url: str
    headers: Mapping[str, str]
    """Of the upgrade."""
    carrier: SimulatedStream
    again: Callable[[], SimulatedStream] | None = None
    """The same call's carrier, as new, where the carrier dials again when the connection breaks."""


class Exchange(Protocol):
    """What every carrier's exchange offers."""

    @property
    def line(self) -> AudioFormat:
        """What the caller says."""
        ...

    async def open(self, url: str, plan: CallPlan, *, caller: str, called: str) -> Stream:
        """http or https: a voice webhook is asked. ws or wss: the media socket itself; `plan` says what kind of stream.

        Raises `CallRefused` if no stream comes about.
        """
        ...


def is_webhook(url: str) -> bool:
    """Or a media socket."""
    return url.startswith(("http:", "https:"))


@dataclass(frozen=True, slots=True)
class TwilioExchange:
    """With `auth_token` both the webhook's request and the upgrade are signed."""

    auth_token: str = field(default="", repr=False)
    call_sid: str = field(default_factory=partial(new_sid, "CA"))
    account_sid: str = field(default_factory=partial(new_sid, "AC"))

    @property
    def line(self) -> AudioFormat:
        """Mu-law, always."""
        return PCMU_8K

    async def open(self, url: str, plan: CallPlan, *, caller: str, called: str) -> Stream:
        """See `Exchange`."""
        order = StreamOrder(url, plan.parameters, plan.one_way, plan.tracks)
        if is_webhook(url):
            order = await order_stream(
                url,
                call_sid=self.call_sid,
                account_sid=self.account_sid,
                caller=caller,
                called=called,
                auth_token=self.auth_token,
            )
        carrier = SimulatedTwilioStream(
            call_sid=self.call_sid,
            account_sid=self.account_sid,
            tracks=order.tracks,
            parameters=order.parameters,
            one_way=order.one_way,
        )
        return Stream(order.url, signed_headers(order.url, {}, self.auth_token), carrier)


@dataclass(frozen=True, slots=True)
class TelnyxExchange:
    """Webhooks are TeXML; those of Call Control are the pretend REST server's.

    `says`: the call's own codec. `hears`, `mode` and `reconnects` are for a media socket called directly: a webhook's
    answer says its own, but for the byte order. With `private_key` (Ed25519's seed, base64) the webhook's request is
    signed; `stream_token` goes with the upgrade and the frame `connected`.
    """

    says: Coding = PCMU
    hears: Coding = PCMU
    mode: Mode = "rtp"
    reconnects: bool = False
    private_key: str = field(default="", repr=False)
    stream_token: str = field(default="", repr=False)
    call_control_id: str = field(default_factory=new_call_control_id)
    account_sid: str = field(default_factory=lambda: str(uuid4()))

    @property
    def line(self) -> AudioFormat:
        """This side of the call's codec."""
        return self.says.format

    async def open(self, url: str, plan: CallPlan, *, caller: str, called: str) -> Stream:
        """See `Exchange`."""
        if is_webhook(url):
            order = await order_texml(
                url,
                call_control_id=self.call_control_id,
                account_sid=self.account_sid,
                caller=caller,
                called=called,
                private_key=self.private_key,
                unix_now=time.time(),
            )
        else:
            order = TexmlOrder(
                url,
                plan.parameters,
                plan.one_way,
                plan.tracks,
                mode=self.mode,
                hears=self.hears,
                reconnects=self.reconnects,
            )
        return self._stream(order, caller, called)

    def _stream(self, order: TexmlOrder, caller: str, called: str) -> Stream:
        carrier = partial(
            SimulatedTelnyxStream,
            call_control_id=self.call_control_id,
            says=self._transcoded(order.codec),
            hears=replace(order.hears, byteorder=self.hears.byteorder),
            mode=order.mode,
            line=self.line,
            tracks=order.tracks,
            parameters=order.parameters,
            one_way=order.one_way,
            caller=caller,
            called=called,
            stream_token=self.stream_token,
            began_at=datetime.now(UTC),
        )
        headers = {TOKEN_HEADER: self.stream_token} if self.stream_token else {}
        return Stream(order.url, headers, carrier(), carrier if order.reconnects else None)

    def _transcoded(self, codec: str) -> Coding:
        """What the caller's audio is sent in, where `codec` is wanted: Telnyx changes one law to the other, no more."""
        both = {self.says.codec, codec}
        return Coding(codec) if both == {"PCMU", "PCMA"} else self.says


def read_exchange(
    carrier: str,
    *,
    auth_token: str = "",
    codec: str = "",
    rate_hz: int = 0,
    play_codec: str = "",
    play_rate_hz: int = 0,
    byteorder: str = "little",
) -> Exchange:
    """From the command line's words. Raises `ConfigurationError`, naming the option and what would be right."""
    match carrier:
        case "twilio":
            if codec or rate_hz or play_codec or play_rate_hz:
                raise ConfigurationError(
                    "--codec: Twilio has_assistant mu-law alone; --carrier telnyx has a choice"
                )
            return TwilioExchange(auth_token)
        case "telnyx":
            says = _coding("codec", "rate", codec or "PCMU", rate_hz, byteorder)
            says.pack(says.format)  # is its library there?
            if play_codec.upper() == "MP3":
                return TelnyxExchange(says, mode="mp3", private_key=TEST_SEED)
            if not play_codec:
                play_codec, play_rate_hz = says.codec, play_rate_hz or says.rate_hz
            hears = _coding("play-codec", "play-rate", play_codec, play_rate_hz, byteorder)
            hears.unpack()
            return TelnyxExchange(says, hears, private_key=TEST_SEED)
        case _:
            raise ConfigurationError(f"--carrier: {carrier!r} is none; twilio or telnyx is right")


def _coding(codec_option: str, rate_option: str, codec: str, rate_hz: int, byteorder: str) -> Coding:
    if byteorder not in ("little", "big"):
        raise ConfigurationError(f"--byteorder: {byteorder!r} is none; little or big is right")
    try:
        return Coding(codec.upper(), rate_hz, "big" if byteorder == "big" else "little")
    except ConfigurationError as error:
        raise ConfigurationError(f"--{codec_option}, --{rate_option}: {error}") from None
