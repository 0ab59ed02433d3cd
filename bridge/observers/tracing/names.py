"""The names in traces: those of OpenTelemetry for generative AI, which still change, and ours.

Source: OpenTelemetry, "Semantic conventions for generative AI systems" (semantic-conventions 1.37, status: development).
"""

import json
from collections.abc import Mapping

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
MODEL = "gen_ai.request.model"
AGENT = "gen_ai.agent.name"
CONVERSATION = "gen_ai.conversation.id"
RESPONSE = "gen_ai.response.id"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
TOOL = "gen_ai.tool.name"
TOOL_CALL = "gen_ai.tool.call.id"
TOOL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_RESULT = "gen_ai.tool.call.result"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
ERROR = "error.type"

GENERATES, EXECUTES_TOOL = "generate_content", "execute_tool"
"""Values of `OPERATION`."""

OURS = "voicebridge."
"""What the conventions have no name for begins with this."""

IN_TOKENS = ("input_text", "input_audio")
OUT_TOKENS = ("output_text", "output_audio")
"""The kinds of tokens of a reply that are added up for the conventions; cached ones are among those of the input."""


def usage(tokens: Mapping[str, int]) -> dict[str, str | int]:
    """The attributes for what a reply is billed."""
    found: dict[str, str | int] = {f"{OURS}tokens.{kind}": count for kind, count in tokens.items()}
    for name, kinds in ((INPUT_TOKENS, IN_TOKENS), (OUTPUT_TOKENS, OUT_TOKENS)):
        if any(kind in tokens for kind in kinds):
            found[name] = sum(tokens.get(kind, 0) for kind in kinds)
    return found


def message(role: str, text: str) -> str:
    """One message of a conversation, in the conventions' JSON. `role`: user or assistant."""
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}], ensure_ascii=False)
