"""The settings of Twilio: [twilio]."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from bridge.carriers.shared.settings import CarrierSettings
from bridge.settings.table import ApiAddress, FilledIn, Parameters, WebAddress

Verdict = Annotated[str, Field(min_length=1)]


class TwilioSettings(CarrierSettings):
    """[twilio]"""

    auth_token: Annotated[FilledIn, Field(min_length=1)] | None = Field(
        None,
        description="The account's auth token: it checks that a webhook is Twilio's, and places calls",
    )
    account_sid: str | None = Field(
        None, pattern=r"^AC[0-9a-fA-F]{32}$", description="The account's SID, to place calls"
    )
    api_url: ApiAddress = Field(
        "https://api.twilio.com", repr=False, description="The address of Twilio's REST API"
    )
    then: WebAddress | None = Field(
        None,
        repr=False,
        description="The address of the TwiML that a call goes on with when its stream has ended",
    )
    parameters: Parameters = Field({}, description="Custom parameters of every stream")
    machine_detection: Literal["Enable", "DetectMessageEnd"] = Field(
        "Enable", description="How Twilio finds out who answered a call that we place"
    )
    detect_machines_of_people: bool = Field(
        True,
        description="Whether Twilio finds out if a machine answered a person's number, in the way of `machine_detection`. "
        "false: where people have a menu or a greeting of their own in front",
    )
    talk_to: tuple[Verdict, ...] = Field(
        ("human", "unknown"),
        description="Who is put through to the assistant where Twilio was asked who answered: values of AnsweredBy. "
        "unknown: Twilio could not tell",
    )

    check_upgrade: bool | Literal["auto"] = Field(
        "auto",
        description="Whether the upgrade of a media socket must have Twilio's signature. auto: only if it has one, which "
        "must then be right. false: it is ignored",
    )

    @property
    def secret(self) -> SecretStr | None:
        """The key of the REST API; see `CarrierSettings`."""
        return self.auth_token
