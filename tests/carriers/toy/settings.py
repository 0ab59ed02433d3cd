"""What can be set of the toy carrier: [toy]."""

from pydantic import Field, SecretStr

from bridge.carriers.shared.settings import CarrierSettings
from bridge.settings.table import ApiAddress, Parameters


class ToySettings(CarrierSettings):
    """[toy]"""

    password: SecretStr | None = Field(None, min_length=1, description="proves webhooks, and REST requests")
    api_url: ApiAddress = Field("http://toy.example", repr=False)
    parameters: Parameters = Field({}, description="custom parameters of every stream")

    @property
    def secret(self) -> SecretStr | None:
        """The password; see `CarrierSettings`."""
        return self.password
