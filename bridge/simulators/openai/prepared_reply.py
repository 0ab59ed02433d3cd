"""Prepares a reply of the script for a response: its audio in the format of the session, its pace, its faults."""

from bridge.simulators.openai.script import OpenAIScript, ReplyFaults, ScriptedReply
from bridge.simulators.openai.voice import Speech, utter
from telecodecs.format import AudioFormat

FAILURES = {
    "server_error": ("server_error", "The server had an error while processing your request."),
    "inference_rate_limit_exceeded": ("rate_limit_error", "Rate limit reached for the model."),
    "rate_limit_exceeded": ("rate_limit_error", "Rate limit reached for requests."),
    "insufficient_quota": ("insufficient_quota", "You exceeded your current quota, please check your plan."),
    "invalid_api_key": ("invalid_request_error", "Incorrect API key provided."),
}
"""The type and message of an error by its code; any other code has the type server_error."""

RECORDING = "(a recording)"
"""The transcript of a recording without `say`."""

HUMMING = "La la la."
"""The words that fill `seconds` without `say`."""


def failure(code: str, message: str | None = None) -> tuple[str, str]:
    """The type and the message of an error with this code. `message`: in place of the usual one."""
    family, usual = FAILURES.get(code, ("server_error", f"The response failed: {code}."))
    return family, usual if message is None else message


class PreparedReply:
    """One reply. `number`: of the connection, from 1. `format`: of the audio."""

    def __init__(self, script: OpenAIScript, reply: ScriptedReply, number: int, format: AudioFormat) -> None:
        self.call_id = script.faults_of(number).call_id
        self.calls = reply.calls
        self.incomplete = reply.incomplete
        self.faults = reply.faults if reply.faults.concern(number) else ReplyFaults()
        self.first_audio_s = script.first_audio_s if reply.first_audio_s is None else reply.first_audio_s
        speed = script.speed if reply.speed is None else reply.speed
        self.pace = 0.0 if self.faults.burst or not speed else 0.001 / speed
        texts = reply.say
        if reply.speaks and not texts:
            texts = (RECORDING if reply.audio else HUMMING,)
        speeches = [Speech(text, reply.audio, reply.seconds, self.faults.one_delta) for text in texts]
        self.items = [utter(speech, format, script.seed) for speech in speeches]
