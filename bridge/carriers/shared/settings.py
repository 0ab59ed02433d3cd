"""What the settings of every carrier have in common."""

from pydantic import SecretStr

from bridge.settings.table import Section


class CarrierSettings(Section):
    """A carrier's table in the settings' file."""

    @property
    def secret(self) -> SecretStr | None:
        """What only the carrier and we know, where it is set: the key of the media tokens may be derived from it."""
        return None
