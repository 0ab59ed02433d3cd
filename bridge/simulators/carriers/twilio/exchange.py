"""Sets up one simulated Twilio call: asks the voice webhook for a stream, or is told of one, and names its socket."""

from dataclasses import dataclass, field
from functools import partial

from bridge.simulators.carriers.contract import CallOptions, MediaSocket, is_webhook
from bridge.simulators.carriers.rehearsal import Rehearsal
from bridge.simulators.carriers.twilio.media import SimulatedTwilioStream, new_sid
from bridge.simulators.carriers.twilio.voice_webhook import ask_webhook, signed_headers
from bridge.simulators.carriers.voice_xml import StreamElement
from bridge.simulators.phone.plan import CallPlan
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.format import PCMU_8K, AudioFormat


@dataclass(frozen=True, slots=True)
class TwilioExchange:
    """An `Exchange` of Twilio's. With `auth_token` the webhook's request and the WebSocket upgrade are signed."""

    auth_token: str = field(default="", repr=False)
    call_sid: str = field(default_factory=partial(new_sid, "CA"))
    account_sid: str = field(default_factory=partial(new_sid, "AC"))
    rehearsal: Rehearsal | None = None

    @property
    def line(self) -> AudioFormat:
        """Always mu-law at 8000 Hz (Twilio, "Media Streams - WebSocket messages": `mediaFormat`)."""
        return PCMU_8K

    async def open(self, url: str, plan: CallPlan, *, caller: str, called: str) -> MediaSocket:
        """See `Exchange`."""
        rehearsal = self.rehearsal
        public = rehearsal.public if rehearsal else url
        wanted = StreamElement(public, plan.parameters, plan.one_way, plan.tracks)
        if is_webhook(url):
            wanted = await ask_webhook(
                url,
                call_sid=self.call_sid,
                account_sid=self.account_sid,
                caller=caller,
                called=called,
                auth_token=self.auth_token,
                rehearsal=rehearsal,
            )
        stream = SimulatedTwilioStream(
            call_sid=self.call_sid,
            account_sid=self.account_sid,
            tracks=wanted.tracks,
            parameters=wanted.parameters,
            one_way=wanted.one_way,
        )
        signed = signed_headers(wanted.url, {}, self.auth_token)
        return MediaSocket(wanted.url, signed, stream).in_rehearsal(rehearsal)


def twilio_exchange(options: CallOptions) -> TwilioExchange:
    """The exchange that the command line asks for. Raises `ConfigurationError` if it asks for a codec."""
    if options.codec or options.rate_hz or options.play_codec or options.play_rate_hz:
        raise ConfigurationError("--codec: Twilio has PCMU only; --carrier telnyx has other codecs")
    return TwilioExchange(options.auth_token, rehearsal=options.rehearsal)
