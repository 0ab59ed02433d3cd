"""The assistant `echo`, for checking the audio path: it sends every frame of the caller back at once."""

from bridge.vocabulary.commands import AppendAudio, AssistantCommand, DropReply, OpenAssistant, TruncateReply
from bridge.vocabulary.contracts import LegMessage
from bridge.vocabulary.events import AssistantEvent, AssistantReady, ReplyAudio, ReplyEnded


class Echo:
    """An assistant in this process. All its audio is one reply; after an interruption a new reply begins."""

    def __init__(self) -> None:
        self._item = "echo"
        self._speaks = False
        self._cuts = 0

    def encode(self, command: AssistantCommand, now: float) -> list[AssistantEvent]:
        """Answer the caller's audio with the same audio, and other commands with their events."""
        if type(command) is AppendAudio:
            self._speaks = True
            return [ReplyAudio(self._item, command.audio)]
        if isinstance(command, TruncateReply | DropReply) and self._speaks and command.item == self._item:
            self._cuts += 1
            cut, self._item, self._speaks = self._item, f"echo-{self._cuts + 1}", False
            return [ReplyEnded(cut)]
        if isinstance(command, OpenAssistant):
            return [AssistantReady(hears=command.line, speaks=command.line)]
        return []

    def decode(self, _message: LegMessage, _now: float) -> tuple[()]:
        """Return nothing: it has no leg, so no message comes."""
        return ()

    def deadline(self) -> None:
        """Return None: nothing waits."""

    def due(self, now: float) -> tuple[()]:
        """Return nothing: nothing falls due."""
        return ()

    def is_reply_owed(self, now: float) -> bool:
        """Return False: it replies at once."""
        return False
