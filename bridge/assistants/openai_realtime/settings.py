"""The settings of an assistant of kind "openai-realtime": [assistants.NAME], and [openai] for all of them.

Wire: OpenAI Realtime GA over a WebSocket; address and headers are those of the `openai` package. Azure's GA endpoint and other
servers of the same protocol need a `base_url` and a header.
Units: seconds in `_s`, milliseconds in `_ms`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    ValidationInfo,
    field_validator,
    model_validator,
)

from bridge.assistants.openai_realtime.account import (
    OPENAI,
    OpenAIAccount,
    ServerUrl,
    has_credentials,
    is_same_server,
    on_loopback,
    upgrade,
)
from bridge.assistants.openai_realtime.formats import Formats
from bridge.assistants.openai_realtime.session import (
    CustomVoice,
    Prompt,
    Reasoning,
    ServerVad,
    Transcription,
    TurnDetection,
    audio_format,
    check_extra,
    check_types,
    function_tools,
    merged,
    without_none,
)
from bridge.assistants.shared.settings import (
    Dtmf,
    Filler,
    FillerOrFalse,
    Greeting,
    as_table,
    none_if_false,
    read_text_file,
)
from bridge.redaction import HIDDEN, masked
from bridge.settings.assistants import AssistantSettings, BargeInSettings, SocketAddress
from bridge.settings.table import Headers, HeaderText, SecretText, Section, refusal
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.format import PCMU_8K

Masked = PlainSerializer(masked, when_used="json")
HiddenValues = PlainSerializer(lambda table: dict.fromkeys(table, HIDDEN), when_used="json")
Table = dict[str, Any]


class RealtimeSettings(AssistantSettings):
    """[assistants.NAME] with kind = "openai-realtime". A field that is None is not sent: the server's default applies."""

    kind: Literal["openai-realtime"] = "openai-realtime"

    # The server
    base_url: ServerUrl = OPENAI
    api_key: SecretText | None = None
    organization: HeaderText | None = None
    project: HeaderText | None = None
    headers: Headers = Field({})
    query: Annotated[dict[str, str], HiddenValues] = Field({}, repr=False)
    model: str = Field("gpt-realtime-2.1", min_length=1, description="Azure: the deployment")

    # The session
    voice: Annotated[
        Annotated[str, Field(min_length=1)] | CustomVoice | None,
        BeforeValidator(none_if_false),
        Field(description="false: not sent, the server's default"),
    ] = "marin"
    speed: float | None = Field(None, ge=0.25, le=1.5)
    instructions_file: Path | None = None
    instructions: str = Field("", validate_default=True)
    turn_detection: TurnDetection = ServerVad()
    barge_in: BargeInSettings = Field(
        BargeInSettings(), description='with turn_detection = "none"; the server has settings of its own'
    )
    noise_reduction: Literal["near_field", "far_field"] | None = None
    transcription: Annotated[Transcription | None, BeforeValidator(none_if_false)] = Field(
        Transcription(), description="false: none, but then the caller's words are lost with a connection"
    )
    max_output_tokens: Annotated[int, Field(ge=1)] | Literal["inf"] | None = None
    truncation: Literal["auto", "disabled"] | Table | None = None
    parallel_tool_calls: bool | None = None
    reasoning: Annotated[Reasoning | None, BeforeValidator(as_table("effort"))] = None
    tool_choice: str | Table | None = None
    prompt: Prompt | None = Field(
        None,
        description="stored with the vendor. What the bridge has the assistant say (greeting, filler, reconnect_say, goodbye) "
        "goes with the instructions that are set here; the stored ones do not apply to it",
    )
    tracing: Literal["auto"] | Table | None = None
    extra: Annotated[Table, AfterValidator(check_extra), Masked] = Field(
        {},
        alias="session",
        repr=False,
        description="any field of the session that has no setting here, sent as it is",
    )

    # What the bridge has the assistant say, and when
    greeting: Annotated[Greeting | None, BeforeValidator(as_table("say"))] = None
    filler: FillerOrFalse = Filler()
    reconnect_say: Annotated[str | None, BeforeValidator(none_if_false)] = Field(
        "Sorry, could you repeat that?",
        min_length=1,
        description="after a connection was lost; false: nothing",
    )
    goodbye: str = Field(
        "Say goodbye in one short sentence.", min_length=1, description="instructions, when it hangs up"
    )
    dtmf: Dtmf = Dtmf()
    reply_s: float = Field(
        5.0,
        gt=0,
        description="how long a reply may be silent, before its first piece and between two: a turn without any "
        "response is asked for once more, then, or at once if one had begun, the connection counts as lost",
    )

    @model_validator(mode="after")
    def _check_barge_in(self) -> "RealtimeSettings":
        if "barge_in" in self.model_fields_set and self.turn_detection.type != "none":
            raise refusal(
                ("barge_in",),
                f"should be left out with turn_detection {self.turn_detection.type!r}: the server hears the caller; "
                'it goes with turn_detection = "none"',
                self.barge_in,
            )
        return self

    @field_validator("instructions_file")
    @classmethod
    def _check_readable(cls, file: Path | None) -> Path | None:
        if file is not None:
            read_text_file(file)
        return file

    @field_validator("instructions")
    @classmethod
    def _read_instructions(cls, text: str, settings: ValidationInfo) -> str:
        file = settings.data.get("instructions_file")
        if text and file is not None:
            raise ValueError("should be given here or as instructions_file, not both")
        return text if file is None else read_text_file(file)

    def address(self) -> SocketAddress:
        """The address of the session's WebSocket, and the headers of its upgrade."""
        account = without_none(
            {
                "Authorization": f"Bearer {self.api_key.get_secret_value()}" if self.api_key else None,
                "OpenAI-Organization": self.organization,
                "OpenAI-Project": self.project,
            }
        )
        return upgrade(self.base_url, {"model": self.model} | self.query, account, self.headers)

    def session(
        self, line: Formats, tools: Sequence[ToolSchema], *, listening: bool = True
    ) -> dict[str, Any]:
        """The session for a new connection, as in `session.update`. `listening`: the server detects turns from the start."""
        hears = {
            "format": audio_format(line.hears),
            "noise_reduction": {"type": self.noise_reduction} if self.noise_reduction else None,
            "transcription": _fields(self.transcription),
        }
        speaks = {
            "format": audio_format(line.speaks),
            "voice": self.voice if isinstance(self.voice, str) else _fields(self.voice),
            "speed": self.speed,
        }
        fields = {
            "type": "realtime",
            "output_modalities": ["audio"],
            "instructions": self.instructions or None,
            "audio": {
                "input": without_none(hears) | {"turn_detection": self._turn_detection()},
                "output": without_none(speaks),
            },
            "tools": function_tools(tools) or None,
            "tool_choice": self.tool_choice,
            "parallel_tool_calls": self.parallel_tool_calls,
            "reasoning": _fields(self.reasoning),
            "max_output_tokens": self.max_output_tokens,
            "truncation": self.truncation,
            "prompt": _fields(self.prompt),
            "tracing": self.tracing,
        }
        session = merged(without_none(fields), self.extra)
        if not listening:
            session = merged(session, {"audio": {"input": {"turn_detection": None}}})
        return session

    def listening_update(self, line: Formats) -> dict[str, Any]:
        """The part of the session that makes the server detect turns again.

        Both formats are sent again: some servers forget them.
        """
        session = self.session(line, ())
        hears, speaks = session["audio"]["input"], session["audio"]["output"]
        return {
            "type": session["type"],
            "audio": {
                "input": {"format": hears["format"], "turn_detection": hears["turn_detection"]},
                "output": {"format": speaks["format"]},
            },
        }

    def _turn_detection(self) -> dict[str, Any] | None:
        return None if self.turn_detection.type == "none" else _fields(self.turn_detection)

    def with_account(self, account: OpenAIAccount) -> "RealtimeSettings":
        """These settings, with the account's where they have none. The account's key is only used for its own server."""
        if "base_url" in self.model_fields_set and not is_same_server(self.base_url, account.base_url):
            return self
        has_own_key = self.api_key is not None or has_credentials(self.headers)
        return self.model_copy(
            update={
                "base_url": account.base_url,
                "api_key": self.api_key if has_own_key else account.api_key,
                "organization": self.organization or account.organization,
                "project": self.project or account.project,
            }
        )

    def check(self, tools: Sequence[ToolSchema]) -> None:
        """Raises `ConfigurationError` if a call would fail because a key is missing or a field of the session is wrong."""
        keyless = self.api_key is None and not has_credentials(self.headers)
        if keyless and is_same_server(self.base_url, OPENAI):
            raise ConfigurationError("api_key is missing: set OPENAI_API_KEY")
        if keyless and not self.headers and not on_loopback(self.base_url):
            raise ConfigurationError(
                f"api_key is missing: {self.base_url} may need one, or headers; "
                "OPENAI_API_KEY goes to no other host, port and path than those of OPENAI_BASE_URL, "
                f"which are OpenAI's own ({OPENAI}) unless it is set"
            )
        check_session(self, tools)


def check_session(settings: RealtimeSettings, tools: Sequence[ToolSchema]) -> None:
    """Compare the session with the types of the `openai` package. Raises `ConfigurationError`."""
    check_types(settings.session(Formats(PCMU_8K, PCMU_8K), tools))


def _fields(table: Section | None) -> dict[str, Any] | None:
    return None if table is None else table.model_dump(exclude_none=True)
