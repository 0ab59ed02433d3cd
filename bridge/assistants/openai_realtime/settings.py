"""The settings of an assistant of kind "openai-realtime": [assistants.NAME], and [openai] for all of them.

Wire: OpenAI Realtime GA over a WebSocket; address and headers are those of the `openai` package. Azure's GA endpoint and other
servers of the same protocol need a `base_url` and a header.
Units: seconds in `_s`, milliseconds in `_ms`.
"""

from collections.abc import Iterator, Sequence
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
from bridge.assistants.shared.templates import checked_template
from bridge.redaction import HIDDEN, masked
from bridge.settings.assistants import BargeInSettings, SocketAddress, SocketAssistantSettings
from bridge.settings.header_values import A_VALUE, HeaderValue, HeaderValues, with_prefix
from bridge.settings.table import HeaderText, Section, refusal
from bridge.vocabulary.contracts import ToolSchema
from bridge.vocabulary.errors import ConfigurationError
from telecodecs.format import PCMU_8K

Masked = PlainSerializer(masked, when_used="json")
HiddenValues = PlainSerializer(lambda table: dict.fromkeys(table, HIDDEN), when_used="json")
Table = dict[str, Any]


class RealtimeSettings(SocketAssistantSettings):
    """[assistants.NAME] with kind = "openai-realtime". A field that is None is not sent: the server's default applies."""

    kind: Literal["openai-realtime"] = "openai-realtime"

    # The server
    base_url: ServerUrl = Field(OPENAI, description="The address of the API. Not set: that of `[openai]`")
    api_key: HeaderValue | None = Field(
        None, description="The API key, or a table as in `headers`. Not set: that of `[openai]`"
    )
    organization: HeaderText | None = Field(None, description="The organization that is billed")
    project: HeaderText | None = Field(None, description="The project that is billed")
    headers: HeaderValues = Field(
        {}, description=f"Headers of the upgrade, such as api-key for Azure. {A_VALUE}"
    )
    query: Annotated[dict[str, str], HiddenValues] = Field(
        {}, repr=False, description="Parameters of the address, beside the model"
    )
    model: str = Field(
        "gpt-realtime-2.1", min_length=1, description="The model; with Azure the name of the deployment"
    )

    # The session
    voice: Annotated[
        Annotated[str, Field(min_length=1)] | CustomVoice | None,
        BeforeValidator(none_if_false),
        Field(
            description="The voice, by name, or a table for a voice of your own. false: the server's default"
        ),
    ] = "marin"
    speed: float | None = Field(None, ge=0.25, le=1.5, description="How fast the voice speaks; 1 is normal")
    instructions_file: Path | None = Field(None, description="A text file with the instructions, UTF-8")
    instructions: str = Field(
        "",
        validate_default=True,
        description="What the model is and does. {from}, {to}, {caller_name} and {variables.NAME} are filled for each call",
    )
    turn_detection: TurnDetection = Field(
        ServerVad(),
        description='Who finds the caller\'s turns, a table or its type alone: "server_vad" (by loudness), '
        '"semantic_vad" (by meaning), or "none" (the bridge)',
    )
    barge_in: BargeInSettings = Field(
        BargeInSettings(), description='What interrupts a reply, with turn_detection = "none" only'
    )
    noise_reduction: Literal["near_field", "far_field"] | None = Field(
        None, description="Noise reduction at the server, for a headset or a room"
    )
    transcription: Annotated[Transcription | None, BeforeValidator(none_if_false)] = Field(
        Transcription(),
        description="The transcription of what the caller says. false: none, and then a lost connection loses these words",
    )
    max_output_tokens: Annotated[int, Field(ge=1)] | Literal["inf"] | None = Field(
        None, description="How long one response may be, in tokens"
    )
    truncation: Literal["auto", "disabled"] | Table | None = Field(
        None, description="What becomes of the oldest items when the context is full"
    )
    parallel_tool_calls: bool | None = Field(
        None, description="Whether the model may call several tools at once"
    )
    reasoning: Annotated[Reasoning | None, BeforeValidator(as_table("effort"))] = Field(
        None, description="For models that reason: a table, or the effort alone"
    )
    tool_choice: str | Table | None = Field(
        None, description="Which tool the model must, may or must not call"
    )
    prompt: Prompt | None = Field(
        None,
        description="A prompt that is stored with the vendor. What the bridge has the model say (greeting, filler, "
        "reconnect_say, goodbye) goes with the instructions that are set here, not with the stored ones",
    )
    tracing: Literal["auto"] | Table | None = Field(None, description="Tracing at the vendor")
    extra: Annotated[Table, AfterValidator(check_extra), Masked] = Field(
        {},
        alias="session",
        repr=False,
        description="Any field of the session that has no setting here; it is sent as it is",
    )

    # What the bridge has the assistant say, and when
    greeting: Annotated[Greeting | None, BeforeValidator(as_table("say"))] = Field(
        None, description="What the assistant opens the call with: the words, or a table"
    )
    filler: FillerOrFalse = Field(
        Filler(), description="What the caller hears while a tool takes long: the words, a table, or false"
    )
    reconnect_say: Annotated[str | None, BeforeValidator(none_if_false)] = Field(
        "Sorry, could you repeat that?",
        min_length=1,
        description="What the assistant says after a lost connection was opened again, unless it has to tell what "
        "a tool did. false: nothing",
    )
    goodbye: str = Field(
        "Say goodbye in one short sentence.",
        min_length=1,
        description="Instructions for the last words, when the assistant hangs up",
    )
    dtmf: Dtmf = Field(Dtmf(), description="How the model is told what the caller typed")
    reply_s: float = Field(
        5.0,
        gt=0,
        description="How long a reply may be silent. A turn without any response is then asked for once more; after "
        "that, or if a response had begun, the connection counts as lost",
    )

    retry_s: float = Field(
        8.0,
        ge=0,
        le=120,
        description="How long a response that fails for a moment (a rate limit, an error of the server) is asked for "
        "again, with growing pauses, from its first failure. If the server says to wait longer than that, or the time "
        "is over, the assistant counts as lost. 0: at the first failure",
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
        return checked_template(text if file is None else read_text_file(file))

    def address(self) -> SocketAddress:
        """The address of the session's WebSocket, and the headers of its upgrade."""
        account = without_none(
            {
                "Authorization": with_prefix("Bearer ", self.api_key) if self.api_key else None,
                "OpenAI-Organization": self.organization,
                "OpenAI-Project": self.project,
            }
        )
        address = upgrade(self.base_url, {"model": self.model} | self.query, account, self.headers)
        return address._replace(pings=self.pings)

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

    def templates(self) -> Iterator[tuple[str, str]]:
        """See `AssistantSettings.templates`."""
        yield "instructions", self.instructions
        if self.greeting is not None:
            yield "greeting", self.greeting.say or self.greeting.instructions or ""
        for name, value in ((self.prompt and self.prompt.variables) or {}).items():
            if isinstance(value, str):
                yield f"prompt.variables.{name}", value

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
