"""The values of labels: each a closed set. What belongs to none of them is `OTHER`."""

from bridge.core.failover import FINAL_CLOSES
from bridge.vocabulary.events import SERVER_CLOSES

OTHER = "other"

TOKEN_KINDS = frozenset(
    {
        *("input_text", "input_audio", "input_cached", "output_text", "output_audio"),
        *("transcription_input_text", "transcription_input_audio", "transcription_output_text"),
        "transcription_seconds",
    }
)
"""What assistants bill, by the names of our dialects."""

TRY_AGAIN_LATER = 1013
"""The WebSocket close code of a server that is too busy (its registry, RFC 6455, 11.7)."""

FILES = {".wav": "recording", ".jsonl": "journal", ".trace.jsonl": "capture"}
"""Files of a call, by their suffixes."""

REASONS = {
    SERVER_CLOSES: "draining",
    "limits.max_calls_per_s": "rate",
    "limits.max_calls": "calls",
    "limits.max_lag_ms": "lag",
    "file descriptors": "descriptors",
    "no media socket at its path": "path",
    "a page in a browser": "origin",
    "-Signature": "signature",
    "another process announced": "other_process",
    "token is not one of ours": "token_invalid",
    "token is too old": "token_expired",
    "token was used before": "token_used",
    "too many tokens": "tokens_full",
    "too many streams": "streams_full",
    "no longer expected": "not_expected",
    "about to end": "ending",
    "a supervisor is not let in": "supervisor",
}
"""Why a call or a media socket is refused, by words of the reason that the log has. The first that is found counts."""


def refusal_reason(why: str) -> str:
    """The label for the reason of a refusal."""
    return next((label for words, label in REASONS.items() if words in why), OTHER)


def loss_reason(code: int, *, final: bool) -> str:
    """The label for the loss of an assistant's leg, by the WebSocket close code."""
    if final or code in FINAL_CLOSES:
        return "refused"
    return "busy" if code == TRY_AGAIN_LATER else "connection"
