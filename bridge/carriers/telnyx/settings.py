"""What the settings' file may say of Telnyx: [telnyx]. Names of codecs, tracks and modes are Telnyx's own."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from bridge.carriers.shared.settings import CarrierSettings
from bridge.carriers.telnyx.signature import check_public_key
from bridge.settings.table import ApiAddress, Parameters, WebAddress
from bridge.vocabulary.errors import ConfigurationError
from telecodecs import mp3
from telecodecs.packets import CodecMissing, PacketCodec, check_installed

Codec = Literal["PCMU", "PCMA", "L16", "G722", "OPUS"]
"""What we can send."""

Track = Literal["inbound_track", "outbound_track", "both_tracks"]

RATES_HZ: dict[str, tuple[int, ...]] = {
    "PCMU": (8_000,),
    "PCMA": (8_000,),
    "G722": (8_000,),
    "L16": (16_000, 8_000, 24_000, 48_000),
    "OPUS": (16_000, 8_000, 24_000, 48_000),
}
"""What may be asked of Telnyx for each codec, the default first. G722 sounds at 16 kHz under the label of 8."""


PACKETS = ("G722", "OPUS", "AMR-WB")
"""Codecs that need a library."""


def _is_public_key(text: str) -> str:
    check_public_key(text)
    return text


class TelnyxSettings(CarrierSettings):
    """[telnyx]"""

    public_key: Annotated[str, AfterValidator(_is_public_key)] | None = Field(
        None, description="checks that a webhook is Telnyx's"
    )
    api_key: SecretStr | None = Field(None, min_length=1, description="answers calls, and places them")
    api_url: ApiAddress = Field("https://api.telnyx.com/v2", repr=False)
    connection_id: str | None = Field(
        None, min_length=1, description="the Call Control application, to place calls"
    )
    mode: Literal["rtp", "mp3"] = Field("rtp", description="how the assistant's voice is sent")
    codec: Codec = Field("PCMU", description="what it is sent in, where the mode is rtp")
    sampling_rate: int | None = Field(None, description="of what is sent, Hz")
    stream_codec: Codec | Literal["AMR-WB", "default"] = Field(
        "default", description="what the caller's voice is asked for in; Telnyx may send another"
    )
    track: Track = Field("inbound_track", description="which voices a stream that only listens gets")
    l16_byteorder: Literal["little", "big", "auto"] = Field(
        "little", description="of L16, both ways; auto: as the caller's turns out to be, little until then"
    )
    reorder_ms: int = Field(100, ge=0, le=1000, description="how long a missing chunk is waited for")
    parameters: Parameters = Field({}, description="custom parameters of every stream")
    then: WebAddress | None = Field(
        None, repr=False, description="the TeXML that a call goes on with when its stream has ended"
    )
    machine_detection: Literal["detect", "premium"] = Field(
        "detect", description="how it is found out who answered a call that we place"
    )
    talk_to: tuple[str, ...] = Field(
        ("human",), description="who is put through to the assistant where it was asked who answered"
    )
    start_s: float = Field(
        120.0, gt=0, le=600, description="from the socket to start: it may open while the phone still rings"
    )
    return_s: float = Field(
        10.0,
        ge=0,
        le=600,
        description="how long a TeXML stream that broke may take to come back; 0: it may not",
    )

    @model_validator(mode="after")
    def _is_possible(self) -> "TelnyxSettings":
        rates = RATES_HZ[self.codec]
        if self.sampling_rate is not None and self.mode == "rtp" and self.sampling_rate not in rates:
            raise ValueError(
                f"sampling_rate = {self.sampling_rate} with codec = {self.codec!r}: "
                f"should be one of {', '.join(map(str, rates))}"
            )
        return self

    @property
    def secret(self) -> SecretStr | None:
        """The key of the REST API; see `CarrierSettings`."""
        return self.api_key

    @property
    def rate_hz(self) -> int:
        """The sampling rate that is asked for."""
        return self.sampling_rate or RATES_HZ[self.codec][0]

    def check_codecs(self) -> None:
        """Raises `ConfigurationError`, naming the extra to install, where a codec is asked for that is not there."""
        try:
            if self.mode == "mp3":
                mp3.check_installed()
            elif self.codec in PACKETS:
                check_installed(PacketCodec(self.codec.lower()), sending=True)
            if self.stream_codec in PACKETS:
                check_installed(PacketCodec(self.stream_codec.lower()), sending=False)
        except CodecMissing as error:
            raise ConfigurationError(f"telnyx: {error}") from None
