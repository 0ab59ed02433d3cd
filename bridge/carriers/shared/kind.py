"""What a carrier is to the rest of the bridge: one record for each, made in its folder and listed in the registry."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from bridge.carriers.shared.account import AccountLook
from bridge.carriers.shared.rest import ApiRequest
from bridge.carriers.shared.settings import CarrierSettings
from bridge.carriers.shared.webhooks import CallHost, CarrierWebhooks
from bridge.vocabulary.contracts import Carrier

S = TypeVar("S", bound=CarrierSettings)


class OutboundCall(NamedTuple):
    """A call that the carrier is to place."""

    to: str
    """A number in E.164, or an address that begins with sip: or sips:."""
    from_: str
    assistant: str
    """Who talks, by name; the default assistant if empty."""
    talks_to_machines: bool
    """Whether an answering machine is talked to as well. If not, the carrier is asked who answered."""
    public_url: str
    """Where the carrier finds the server: scheme, host, port; no slash at the end."""
    request_id: str
    """A new UUID, for a carrier that places a call once however often it is asked with the same one."""


class VoiceWebhook(NamedTuple):
    """A webhook that a number at the carrier can be pointed at."""

    calls: str
    """Whose calls come there, as the beginning of a sentence: "Telnyx's with TeXML"."""
    path: str


@dataclass(frozen=True, slots=True)
class CarrierKind(Generic[S]):
    """Everything that the rest of the bridge asks of a carrier. Raises ValueError where it names no setting."""

    name: str
    """Its table in the settings' file, the first segment of its paths, and its value of `--carrier`."""
    title: str
    """Its name for people."""
    settings: type[S]
    """Its table. All of it can be left out."""
    environment: Mapping[str, str]
    """The carrier's own names of environment variables, each with the setting that it sets."""
    authenticated_by: str
    """The setting that webhooks are authenticated with; while it is not set, the carrier cannot bring calls."""
    checks: Sequence[Callable[[S], None]]
    """What is checked before the server starts, beside each key of the table. Each raises `ConfigurationError`."""
    stream: Callable[[S, bool], Carrier]
    """Makes the dialect of one media stream. The flag: whether the stream is only listened to."""
    webhooks: Callable[[S, CallHost], CarrierWebhooks]
    """Makes the webhooks of one server, and with them the call control of each call."""
    voice_webhooks: Callable[[S], Sequence[VoiceWebhook]]
    """The webhooks that can take a call with these settings, for `config check`."""
    place_call: Callable[[S, OutboundCall], ApiRequest]
    """The request that places a call. Raises `ConfigurationError` where a setting is missing."""
    call_id_key: str
    """The field of that request's answer that names the call."""
    call_id_in: Callable[[bytes], str]
    """The call that the body of a webhook tells of, whoever sent it; empty if it names none."""
    upgrade_fault: Callable[[S, str, Mapping[str, str]], str] = lambda _settings, _url, _headers: ""
    """Why the upgrade of a media socket is not the carrier's; empty if it may be.

    From the address that the carrier was told, ws or wss, and the request's headers, their names in lower case. The
    token is checked beside it.
    """
    published: Mapping[str, str] = field(default_factory=dict)
    """Settings with the values that its simulator has: they are in this project's source, so they prove nothing."""
    expected: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Settings with the pattern that the carrier's own values have, and the pattern in words; others are doubtful."""
    requires_tls: bool = False
    """Whether it opens media sockets with wss alone."""
    simulator: str = ""
    """Its row in the registry of simulated carriers; empty where nothing plays it."""
    look_at_account: Callable[[S], AccountLook] | None = None
    """How the account is looked up, for `doctor`; None where it cannot be. Raises `ConfigurationError` where a setting is
    missing."""

    def __post_init__(self) -> None:
        for setting in (self.authenticated_by, *self.environment.values(), *self.published, *self.expected):
            if setting not in self.settings.model_fields:
                raise ValueError(f"carrier {self.name}: there is no setting {self.name}.{setting}")

    def can_authenticate(self, settings: S) -> bool:
        """Whether a webhook can be proved to be the carrier's."""
        return getattr(settings, self.authenticated_by) is not None

    @property
    def authenticated_by_variable(self) -> str:
        """The environment variable that sets what webhooks are authenticated with; empty if there is none."""
        names = (name for name, setting in self.environment.items() if setting == self.authenticated_by)
        return next(names, "")
