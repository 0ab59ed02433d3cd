"""The settings of Telnyx: [telnyx]. Names of codecs, tracks and modes are Telnyx's own."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from bridge.carriers.shared.settings import CarrierSettings
from bridge.carriers.telnyx.signature import check_public_key
from bridge.settings.table import ApiAddress, FilledIn, Parameters, WebAddress, without_placeholder
from bridge.vocabulary.errors import ConfigurationError
from telecodecs import mp3
from telecodecs.packets import CodecMissing, PacketCodec, check_installed

Codec = Literal["PCMU", "PCMA", "L16", "G722", "OPUS"]
"""Codecs that the bridge can send."""

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


def _checked_public_key(text: str) -> str:
    without_placeholder(text)
    check_public_key(text)
    return text


class TelnyxSettings(CarrierSettings):
    """[telnyx]"""

    public_key: Annotated[str, AfterValidator(_checked_public_key)] | None = Field(
        None, description="The account's public key: it checks that a webhook is Telnyx's"
    )
    api_key: Annotated[FilledIn, Field(min_length=1)] | None = Field(
        None, description="The API key: it answers calls under Call Control, and places calls"
    )
    api_url: ApiAddress = Field(
        "https://api.telnyx.com/v2",
        repr=False,
        description="The address of Telnyx's REST API; in the EU https://api.telnyx.eu/v2",
    )
    connection_id: str | None = Field(
        None, min_length=1, description="The Call Control application that places calls"
    )
    mode: Literal["rtp", "mp3"] = Field(
        "rtp",
        description="How the assistant's voice is sent: as packets, or as MP3 files, one a second at most, for prompts",
    )
    codec: Codec = Field("PCMU", description="The codec of the assistant's voice, with mode rtp")
    sampling_rate: int | None = Field(
        None,
        description="The sampling rate of the assistant's voice, in hertz. Not set: the first one that the codec has",
    )
    stream_codec: Codec | Literal["AMR-WB", "default"] = Field(
        "default",
        description="The codec that Telnyx is asked for, for the caller's voice; it may send another. default: that of the call",
    )
    track: Track = Field("inbound_track", description="Which voices a stream that only listens gets")
    l16_byteorder: Literal["little", "big", "auto"] = Field(
        "little",
        description="The byte order of L16, both ways. auto: it is measured in the caller's audio; little until then",
    )
    reorder_ms: int = Field(100, ge=0, le=1000, description="How long a missing chunk of audio is waited for")
    parameters: Parameters = Field({}, description="Custom parameters of every stream")
    then: WebAddress | None = Field(
        None,
        repr=False,
        description="The address of the TeXML that a call goes on with when its stream has ended",
    )
    machine_detection: Literal["detect", "premium"] = Field(
        "detect", description="How Telnyx finds out who answered a call that we place; premium finds out more"
    )
    detect_machines_of_people: bool = Field(
        True,
        description="Whether Telnyx finds out if a machine answered a person's number, in the way of `machine_detection`. "
        "false: where people have a menu or a greeting of their own in front",
    )
    texml_application_id: str | None = Field(
        None,
        min_length=1,
        description="The TeXML application that calls a person for a call under TeXML",
    )
    talk_to: tuple[str, ...] = Field(
        ("human", "not_sure"),
        description="Who is put through to the assistant where Telnyx was asked who answered: Telnyx's own words. "
        "not_sure: Telnyx could not tell, or did not say in time",
    )
    silent_s: float = Field(
        60.0,
        gt=0,
        description="How long a stream may send nothing, in place of `limits.silent_s`, as long as the socket answers "
        "pings: Telnyx does not say that it sends audio while the other side sends none, for example on hold",
    )
    start_s: float = Field(
        120.0,
        gt=0,
        le=600,
        description="How long Telnyx may take from the opening of the socket to `start`; it may open while the phone still rings",
    )
    return_s: float = Field(
        10.0,
        ge=0,
        le=600,
        description="How long a TeXML stream that broke may take to come back. 0: the call is over",
    )

    @model_validator(mode="after")
    def _check_sampling_rate(self) -> "TelnyxSettings":
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
