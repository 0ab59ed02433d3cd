"""The conversation once the assistant has said hello: what each of its messages and each command means.

What comes of one is what the core should know and what the assistant should be told (`Answer`), in order. Where the
bridge hears turns it does so in the audio that the assistant is sent. No clock: `now` is seconds.
"""

from collections.abc import Callable, Sequence
from typing import Any

from bridge.assistants.shared.hang_up_sequence import hung_up
from bridge.assistants.stream import messages as said
from bridge.assistants.stream import wire
from bridge.assistants.stream.names import Names
from bridge.assistants.stream.replies import StreamItems
from bridge.vocabulary.commands import (
    AnswerTool,
    AssistantCommand,
    ConfirmHeard,
    DropReply,
    EnterDigits,
    TruncateReply,
    TypeDigit,
)
from bridge.vocabulary.contracts import Answer, Utterance
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import (
    CallerSaid,
    EntryRequested,
    NoteTaken,
    PressRequested,
    SpeechDismissed,
    SpeechStarted,
    SpeechStopped,
    SpeechSuspected,
    ToolCalled,
)
from telecodecs.format import AudioFormat
from telecodecs.turns import Turn, TurnDetector, TurnDismissed, TurnEnded, TurnStarted, TurnSuspected

MOST_OPEN_REQUESTS = 32
"""That wait for their answers at a time."""


class Conversation:
    """One connection's. `turns`: the bridge's own detection, if the assistant leaves it to the bridge."""

    def __init__(
        self, choice: said.Hello, speaks: AudioFormat, turns: TurnDetector | None, tools: Sequence[str]
    ) -> None:
        self._keys = choice.keys
        self._speaks = speaks
        self._turns = turns
        self._tools = tools
        names = Names()
        self._fresh = names.fresh
        self._replies = StreamItems(names)
        self._utterance = ""  # the caller's last, as long as its words have not come
        self._caller_speaks = False  # the assistant says so, and has not said that it is over
        self._wishes: set[str] = set()  # ids of what was asked for and is not answered

    # From the core

    def carry(self, command: AssistantCommand, now: float) -> list[Utterance]:
        """What a command means, if it is neither audio nor the end."""
        match command:
            case TypeDigit(digit) if self._keys in ("each", "both"):
                return [Answer(wire.key(digit))]
            case EnterDigits():
                return self._enter(command)
            case AnswerTool(call, output) if call in self._wishes:
                self._wishes.remove(call)
                return [Answer(wire.answer(call, output))]
            case ConfirmHeard(item) if self._replies.is_known(item):
                return [Answer(wire.heard(item))]
            case TruncateReply(item, heard_ms) if self._replies.is_known(item):
                return [Answer(wire.interrupted(item, heard_ms)), *self._replies.cut(item, now)]
            case DropReply(item) if self._replies.is_known(item):
                return [Answer(wire.interrupted(item, 0)), *self._replies.cut(item, now)]
            case _:
                return []

    def _enter(self, entry: EnterDigits) -> list[Utterance]:
        is_wanted = entry.request_id in self._wishes or self._keys in ("entries", "both")
        is_all = bool(entry.placeholder) and self._keys == "each"  # its keys were not told
        self._wishes.discard(entry.request_id)
        return [Answer(wire.entry(entry))] if is_wanted or is_all else []

    def overhear(self, audio: bytes) -> list[Utterance]:
        """What the bridge's own detection makes of the caller's audio; nothing without one."""
        turns = self._turns.feed(audio) if self._turns is not None else ()
        return [told for turn in turns for told in self._noticed(turn)] if turns else []

    def _noticed(self, turn: Turn) -> list[Utterance]:
        match turn:
            case TurnSuspected():
                return [SpeechSuspected()]
            case TurnDismissed():
                return [SpeechDismissed()]
            case TurnStarted(at_ms):
                self._utterance = ""
                return [Answer(wire.speech_started(at_ms)), SpeechStarted(at_ms=at_ms)]
            case TurnEnded(at_ms):
                return [Answer(wire.speech_stopped(at_ms)), self._paused(at_ms)]

    def _paused(self, at_ms: int | None = None) -> SpeechStopped:
        """The utterance's place in what is said; its words may follow."""
        self._caller_speaks = False
        self._replies.caller_paused()
        self._utterance = self._fresh("utterance")
        return SpeechStopped(self._utterance, at_ms)

    # From the assistant: its voice

    def audio(self, audio: bytes, now: float) -> Sequence[Utterance]:
        """The next of its voice. The hot path. Raises `MalformedMessage` if it is no whole samples."""
        if len(audio) % self._speaks.sample_bytes:
            raise MalformedMessage(
                f"audio: {len(audio)} bytes are not whole samples: expected an even number for {self._speaks}"
            )
        if not audio:
            return ()
        if self._caller_speaks and self._replies.silent:
            return [self._paused(), *self._replies.audio(audio, now)]
        return self._replies.audio(audio, now)

    def _reply(self, reply: said.Reply, _now: float) -> Sequence[Utterance]:
        begun = self._replies.begin(reply.item)
        if begun is None:
            raise MalformedMessage("reply: item was given before; expected a new name, or none")
        return begun

    def _reply_end(self, _end: said.ReplyEnd, _now: float) -> Sequence[Utterance]:
        if not self._replies.any_open:
            raise MalformedMessage("reply_end: no item is open; reply opens one, or audio does")
        return self._replies.end()

    def _words(self, words: said.Said, now: float) -> Sequence[Utterance]:
        if words.who == "assistant":
            told = self._replies.said(words.item, words.text, now)
            if told is None:
                raise MalformedMessage("said: there is no such item: expected one that reply has opened")
            return told
        if words.item is not None:
            raise MalformedMessage("said: item should be left out where the caller said it")
        item, self._utterance = self._utterance or self._fresh("utterance"), ""
        return [CallerSaid(item, words.text)] if words.text.strip() else []

    # From the assistant: turns

    def _interrupt(self, interrupt: said.Interrupt, _now: float) -> Sequence[Utterance]:
        spoke: list[Utterance] = [*self._replies.interrupted(), SpeechStarted(at_ms=interrupt.at_ms)]
        if self._turns is None:
            self._caller_speaks, self._utterance = True, ""
        elif not self._turns.speaking:  # it was a key, or the like, and has no end of its own
            spoke.append(self._paused(interrupt.at_ms))
        return spoke

    def _speech_stopped(self, stopped: said.SpeechStopped, _now: float) -> Sequence[Utterance]:
        if self._turns is not None:
            raise MalformedMessage(
                'speech_stopped: the bridge hears turns, unless hello has "turns": "assistant"'
            )
        return [self._paused(stopped.at_ms)]

    # From the assistant: wishes

    def _collect_digits(self, collect: said.CollectDigits, _now: float) -> Sequence[Utterance]:
        self._wish("collect_digits", collect.id)
        return [
            EntryRequested(
                collect.id, collect.length, collect.terminator, collect.timeout_s, collect.sensitive
            )
        ]  # fmt: skip

    def _send_digits(self, send: said.SendDigits, _now: float) -> Sequence[Utterance]:
        return [PressRequested(send.keys)]

    def _call_tool(self, call: said.CallTool, _now: float) -> Sequence[Utterance]:
        if call.tool not in self._tools:
            known = (
                f": expected one of {', '.join(self._tools)}" if self._tools else "; the settings have none"
            )
            raise MalformedMessage(f"call_tool: there is no such tool{known}")
        arguments = bytes(call.arguments).strip()
        if not arguments.startswith(b"{"):
            raise MalformedMessage("call_tool: arguments should be an object")
        self._wish("call_tool", call.id)
        return [ToolCalled(call.id, call.tool, arguments.decode())]

    def _wish(self, kind: str, wish: str) -> None:
        if wish in self._wishes:
            raise MalformedMessage(
                f"{kind}: id belongs to a request that has no answer yet: expected a new one"
            )
        if len(self._wishes) >= MOST_OPEN_REQUESTS:
            raise MalformedMessage(
                f"{kind}: {MOST_OPEN_REQUESTS} requests have no answer yet: expected to wait for one of them"
            )
        self._wishes.add(wish)

    def _note(self, note: said.Note, _now: float) -> Sequence[Utterance]:
        return [NoteTaken(note.text)]

    def _hang_up(self, leave: said.HangUp, _now: float) -> Sequence[Utterance]:
        return [*self._replies.end(), hung_up(leave.why)]

    def read(self, message: said.FromAssistant, now: float) -> Sequence[Utterance]:
        """What a message means. Raises `MalformedMessage` where it makes no sense."""
        return _READS[type(message)](self, message, now)

    # Time

    def deadline(self) -> float | None:
        """When to call `due`, at the latest."""
        return self._replies.deadline()

    def due(self, now: float) -> Sequence[Utterance]:
        """What has fallen due by `now`."""
        return self._replies.due(now)


def _hello(_talk: Conversation, _hello: said.Hello, _now: float) -> Sequence[Utterance]:
    raise MalformedMessage("hello: it was said already; what was chosen holds for the connection")


def _audio(talk: Conversation, message: said.Audio, now: float) -> Sequence[Utterance]:
    return talk.audio(message.audio, now)


_READS: dict[type, Callable[[Conversation, Any, float], Sequence[Utterance]]] = {
    said.Hello: _hello,
    said.Audio: _audio,
    said.Reply: Conversation._reply,
    said.ReplyEnd: Conversation._reply_end,
    said.Said: Conversation._words,
    said.Interrupt: Conversation._interrupt,
    said.SpeechStopped: Conversation._speech_stopped,
    said.CollectDigits: Conversation._collect_digits,
    said.SendDigits: Conversation._send_digits,
    said.CallTool: Conversation._call_tool,
    said.Note: Conversation._note,
    said.HangUp: Conversation._hang_up,
}
