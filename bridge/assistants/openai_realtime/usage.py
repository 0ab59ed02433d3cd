"""What the server bills: tokens by kind, in one flat table.

Wire: OpenAI, "Realtime API", `usage` of `response.done` and of a completed transcription. Cached tokens are also counted in
the input's text and audio, as on the wire. Servers differ here: a value that is not a number is left out, and so are zeros.
"""

from math import ceil
from typing import Any

_Paths = dict[str, tuple[str, ...]]

_RESPONSE: _Paths = {
    "input_text": ("input_token_details", "text_tokens"),
    "input_audio": ("input_token_details", "audio_tokens"),
    "input_cached": ("input_token_details", "cached_tokens"),
    "output_text": ("output_token_details", "text_tokens"),
    "output_audio": ("output_token_details", "audio_tokens"),
}
_TRANSCRIPTION: _Paths = {
    "transcription_input_text": ("input_token_details", "text_tokens"),
    "transcription_input_audio": ("input_token_details", "audio_tokens"),
    "transcription_output_text": ("output_tokens",),
    "transcription_seconds": ("seconds",),
}
"""Some models are billed by tokens, some by seconds, which are rounded up."""


def of_response(usage: Any) -> dict[str, int]:
    """The tokens of a response."""
    return _flat(usage, _RESPONSE)


def of_transcription(usage: Any) -> dict[str, int]:
    """The tokens, or seconds, of transcribing the caller."""
    return _flat(usage, _TRANSCRIPTION)


def _flat(usage: Any, paths: _Paths) -> dict[str, int]:
    counts = {name: _count(usage, path) for name, path in paths.items()}
    return {name: count for name, count in counts.items() if count > 0}


def _count(found: Any, path: tuple[str, ...]) -> int:
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return ceil(found) if isinstance(found, (int, float)) and 0 < found < 1e12 else 0
