"""The line check: every frame goes straight back."""

from bridge.vocabulary.commands import AppendAudio, AssistantCommand, DropReply, OpenAssistant, TruncateReply
from bridge.vocabulary.contracts import Message
from bridge.vocabulary.events import AssistantEvent, AssistantReady, ReplyAudio, ReplyEnded


class Echo:
    """An assistant in this process; its whole life is one reply, or another where that was cut."""

    def __init__(self) -> None:
        self._item = "echo"
        self._speaks = False
        self._cuts = 0

    def encode(self, command: AssistantCommand, now: float) -> list[AssistantEvent]:
        """What is heard is said."""
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

    def decode(self, message: Message, now: float) -> tuple[AssistantEvent, ...]:
        """Its messages are its events."""
        assert isinstance(message, AssistantEvent)
        return (message,)

    def deadline(self) -> None:
        """It waits for nothing."""

    def due(self, now: float) -> tuple[()]:
        """Nothing falls due."""
        return ()
