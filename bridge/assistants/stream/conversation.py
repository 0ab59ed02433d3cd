"""The conversation once the assistant has said hello: what each of its messages and each command means.

Each method returns events for the core and messages for the assistant, in order. Where the bridge detects turns, it
does so in the audio that the assistant is sent. No clock: `now` is seconds.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bridge.assistants.shared.arguments import LONGEST_ARGUMENTS
from bridge.assistants.shared.hang_up_sequence import hung_up
from bridge.assistants.shared.owed_reply import OwedReply
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
    ReportTransfer,
    SayText,
    TellAssistant,
    TruncateReply,
    TypeDigit,
)
from bridge.vocabulary.contracts import AssistantOutcome
from bridge.vocabulary.dispatch import on
from bridge.vocabulary.errors import MalformedMessage
from bridge.vocabulary.events import (
    CallerSaid,
    EntryRequested,
    NoteTaken,
    OutcomeSet,
    PressRequested,
    SpeechDismissed,
    SpeechStarted,
    SpeechStopped,
    SpeechSuspected,
    ToolCalled,
)
from bridge.vocabulary.message_rate import MessageRate
from bridge.vocabulary.people import BriefingAccepted, BriefingDeclined, TransferRequested
from telecodecs.format import AudioFormat
from telecodecs.turns import Turn, TurnDetector, TurnDismissed, TurnEnded, TurnStarted, TurnSuspected

MOST_OPEN_REQUESTS = 32
"""Requests of the assistant's that may wait for their answers at a time."""

REQUESTS_PER_S, REQUESTS_AT_ONCE = 5.0, 50
"""How many requests and notes the assistant may send: in a second, and at once."""


class StreamConversation:
    """State of one connection. `turns`: our own turn detector, if the assistant leaves that to the bridge.

    `running`: the ids on this connection of tool calls that were made before it and still run, by tool_call_id.
    `owed`: is told what the assistant should reply to, and when it has.
    """

    def __init__(
        self,
        choice: said.Hello,
        speaks: AudioFormat,
        turns: TurnDetector | None,
        tools: Sequence[str],
        running: Mapping[str, str],
        owed: OwedReply,
        *,
        is_briefing: bool = False,
    ) -> None:
        self._is_briefing = is_briefing
        self._keys = choice.keys
        self._speaks = speaks
        self._turns = turns
        self._tools = tools
        self._running = dict(running)
        self._owed = owed
        names = Names()
        self._fresh = names.fresh
        self._replies = StreamItems(names)
        self._utterance = ""  # the caller's last one, until its words have come
        self._caller_speaks = False  # since `interrupt`, until `speech_stopped`
        self._open_requests: set[str] = set()  # ids of requests that have no answer yet
        self._allowed = MessageRate(REQUESTS_PER_S, REQUESTS_AT_ONCE)

    # From the core

    def carry_out(self, command: AssistantCommand, now: float) -> list[AssistantOutcome]:
        """Carry out a command that is neither audio nor the end."""
        match command:
            case TypeDigit(digit) if self._keys in ("each", "both"):
                self._owed.ask(now)
                return [wire.key(digit)]
            case EnterDigits():
                return self._enter(command, now)
            case AnswerTool(tool_call_id, output, is_late=True):
                earlier_id = self._running.pop(tool_call_id, None)
                if earlier_id is None:
                    return []
                self._owed.ask(now)
                return [wire.answer(earlier_id, output)]
            case AnswerTool(tool_call_id) | ReportTransfer(tool_call_id) if (
                tool_call_id in self._open_requests
            ):
                self._open_requests.remove(tool_call_id)
                self._owed.ask(now)
                if isinstance(command, ReportTransfer):
                    return [wire.transfer_ended(command)]
                return [wire.answer(tool_call_id, command.output)]
            case SayText(text):
                self._owed.ask(now)
                return [wire.say(text)]
            case TellAssistant(text, responds):
                if responds:
                    self._owed.ask(now)
                return [wire.tell(text, responds=responds)]
            case ConfirmHeard(item) if self._replies.is_known(item):
                return [wire.heard(item)]
            case TruncateReply(item) | DropReply(item) if self._replies.is_known(item):
                heard_ms = command.heard_ms if isinstance(command, TruncateReply) else 0
                return [wire.interrupted(item, heard_ms), *self._replies.cut(item, now)]
            case _:
                return []

    def _enter(self, entry: EnterDigits, now: float) -> list[AssistantOutcome]:
        is_expected = entry.request_id in self._open_requests or self._keys in ("entries", "both")
        is_only_news = bool(entry.placeholder) and self._keys == "each"  # its single keys were not sent
        self._open_requests.discard(entry.request_id)
        if not (is_expected or is_only_news):
            return []
        self._owed.ask(now)
        return [wire.entry(entry)]

    def listen(self, audio: bytes, now: float) -> list[AssistantOutcome]:
        """Feed our own turn detector with the caller's audio; nothing comes of it without one."""
        turns = self._turns.feed(audio) if self._turns is not None else ()
        return [outcome for turn in turns for outcome in self._turn(turn, now)] if turns else []

    def _turn(self, turn: Turn, now: float) -> list[AssistantOutcome]:
        match turn:
            case TurnSuspected():
                return [SpeechSuspected()]
            case TurnDismissed():
                return [SpeechDismissed()]
            case TurnStarted(at_ms):
                self._utterance = ""
                return [wire.speech_started(at_ms), SpeechStarted(at_ms=at_ms)]
            case TurnEnded(at_ms):
                return [wire.speech_stopped(at_ms), self._paused(now, at_ms)]

    def _paused(self, now: float, at_ms: int | None = None) -> SpeechStopped:
        """The caller's utterance has ended; its words may follow."""
        self._caller_speaks = False
        self._replies.caller_paused()
        self._owed.ask(now)
        self._utterance = self._fresh("utterance")
        return SpeechStopped(self._utterance, at_ms)

    # From the assistant: reply audio and words

    def audio(self, audio: bytes, now: float) -> Sequence[AssistantOutcome]:
        """Reply audio came. The hot path. Raises `MalformedMessage` if it does not consist of whole samples."""
        if len(audio) % self._speaks.sample_bytes:
            raise MalformedMessage(
                f"audio: {len(audio)} bytes are not whole samples: expected an even number for {self._speaks}"
            )
        if not audio:
            return ()
        if self._caller_speaks and self._replies.silent:
            return [self._paused(now), *self._replies.audio(audio, now)]
        return self._replies.audio(audio, now)

    def _reply(self, reply: said.Reply, now: float) -> Sequence[AssistantOutcome]:
        begun = self._replies.begin(reply.item)
        if begun is None:
            raise MalformedMessage("reply: item was given before: expected a new name, or none")
        self._owed.ask(now)
        return begun

    def _reply_end(self, _end: said.ReplyEnd, _now: float) -> Sequence[AssistantOutcome]:
        if not self._replies.any_open:
            raise MalformedMessage("reply_end: no item is open: expected reply or audio first")
        self._owed.settle()
        return self._replies.end()

    def _words(self, words: said.Said, now: float) -> Sequence[AssistantOutcome]:
        if words.who == "assistant":
            outcomes = self._replies.said(words.item, words.text, now)
            if outcomes is None:
                raise MalformedMessage("said: there is no such item: expected one that reply has opened")
            return outcomes
        if words.item is not None:
            raise MalformedMessage("said: item should be left out where the caller said it")
        item, self._utterance = self._utterance or self._fresh("utterance"), ""
        return [CallerSaid(item, words.text)] if words.text.strip() else []

    # From the assistant: turns

    def _interrupt(self, interrupt: said.Interrupt, now: float) -> Sequence[AssistantOutcome]:
        spoke: list[AssistantOutcome] = [*self._replies.interrupted(), SpeechStarted(at_ms=interrupt.at_ms)]
        if self._turns is None:
            self._caller_speaks, self._utterance = True, ""
        elif not self._turns.speaking:  # the cause was a key or the like, which has no end
            spoke.append(self._paused(now, interrupt.at_ms))
        return spoke

    def _speech_stopped(self, stopped: said.SpeechStopped, now: float) -> Sequence[AssistantOutcome]:
        if self._turns is not None:
            raise MalformedMessage(
                'speech_stopped: the bridge detects turns: expected "turns": "assistant" in hello'
            )
        return [self._paused(now, stopped.at_ms)]

    # From the assistant: requests

    def _collect_digits(self, collect: said.CollectDigits, now: float) -> Sequence[AssistantOutcome]:
        self._check_pace("collect_digits", now)
        self._open_request("collect_digits", collect.id)
        return [
            EntryRequested(
                collect.id, collect.length, collect.terminator, collect.timeout_s, collect.sensitive
            )
        ]  # fmt: skip

    def _send_digits(self, send: said.SendDigits, now: float) -> Sequence[AssistantOutcome]:
        self._check_pace("send_digits", now)
        return [PressRequested(send.keys)]

    def _call_tool(self, call: said.CallTool, now: float) -> Sequence[AssistantOutcome]:
        self._check_pace("call_tool", now)
        if len(call.arguments) > LONGEST_ARGUMENTS:
            raise MalformedMessage(
                f"call_tool: arguments have {len(call.arguments)} bytes: expected at most {LONGEST_ARGUMENTS}"
            )
        if call.tool not in self._tools:
            known = (
                f": expected one of {', '.join(self._tools)}" if self._tools else "; the settings have none"
            )
            raise MalformedMessage(f"call_tool: there is no such tool{known}")
        arguments = bytes(call.arguments).strip()
        if not arguments.startswith(b"{"):
            raise MalformedMessage("call_tool: arguments should be an object")
        self._open_request("call_tool", call.id)
        return [ToolCalled(call.id, call.tool, arguments.decode())]

    def _transfer(self, transfer: said.Transfer, now: float) -> Sequence[AssistantOutcome]:
        self._check_pace("transfer", now)
        self._open_request("transfer", transfer.id)
        asked = TransferRequested(transfer.person, transfer.why, transfer.summary, transfer.id)
        return [*self._replies.end(), asked]

    def _accept(self, _accept: said.Accept, _now: float) -> Sequence[AssistantOutcome]:
        self._check_briefing("accept")
        return [BriefingAccepted()]

    def _decline(self, decline: said.Decline, _now: float) -> Sequence[AssistantOutcome]:
        self._check_briefing("decline")
        return [BriefingDeclined(decline.why)]

    def _check_briefing(self, kind: str) -> None:
        if not self._is_briefing:
            raise MalformedMessage(f"{kind}: nobody is being briefed: expected it in a briefing alone")

    def _check_pace(self, kind: str, now: float) -> None:
        if not self._allowed.take(1, now):
            raise MalformedMessage(
                f"{kind}: too many requests: expected at most {REQUESTS_PER_S:g} in a second, {REQUESTS_AT_ONCE} at once"
            )

    def _open_request(self, kind: str, request_id: str) -> None:
        if request_id in self._open_requests:
            raise MalformedMessage(
                f"{kind}: id belongs to a request that has no answer yet: expected a new one"
            )
        if len(self._open_requests) >= MOST_OPEN_REQUESTS:
            raise MalformedMessage(
                f"{kind}: {MOST_OPEN_REQUESTS} requests have no answer yet: expected to wait for one of them"
            )
        self._open_requests.add(request_id)

    def _note(self, note: said.Note, now: float) -> Sequence[AssistantOutcome]:
        self._check_pace("note", now)
        return [NoteTaken(note.text)]

    def _outcome(self, message: said.Outcome, now: float) -> Sequence[AssistantOutcome]:
        self._check_pace("outcome", now)
        return [OutcomeSet(message.outcome)]

    def _hang_up(self, hang_up: said.HangUp, _now: float) -> Sequence[AssistantOutcome]:
        return [*self._replies.end(), hung_up(hang_up.why)]

    def read(self, message: said.FromAssistant, now: float) -> Sequence[AssistantOutcome]:
        """Read one message. Raises `MalformedMessage` if it makes no sense at this point."""
        return _READS[type(message)](self, message, now)

    # Time

    def deadline(self) -> float | None:
        """When to call `due`, at the latest."""
        return self._replies.deadline()

    def due(self, now: float) -> Sequence[AssistantOutcome]:
        """What has fallen due by `now`."""
        ended = self._replies.due(now)
        if ended:
            self._owed.settle()
        return ended


def _hello(_talk: StreamConversation, _hello: said.Hello, _now: float) -> Sequence[AssistantOutcome]:
    raise MalformedMessage("hello: sent a second time: expected once")


def _audio(talk: StreamConversation, message: said.Audio, now: float) -> Sequence[AssistantOutcome]:
    return talk.audio(message.audio, now)


_READS: dict[type, Callable[[StreamConversation, Any, float], Sequence[AssistantOutcome]]] = dict(
    [
        on(said.Hello, _hello),
        on(said.Audio, _audio),
        on(said.Reply, StreamConversation._reply),
        on(said.ReplyEnd, StreamConversation._reply_end),
        on(said.Said, StreamConversation._words),
        on(said.Interrupt, StreamConversation._interrupt),
        on(said.SpeechStopped, StreamConversation._speech_stopped),
        on(said.CollectDigits, StreamConversation._collect_digits),
        on(said.SendDigits, StreamConversation._send_digits),
        on(said.CallTool, StreamConversation._call_tool),
        on(said.Transfer, StreamConversation._transfer),
        on(said.Accept, StreamConversation._accept),
        on(said.Decline, StreamConversation._decline),
        on(said.Note, StreamConversation._note),
        on(said.Outcome, StreamConversation._outcome),
        on(said.HangUp, StreamConversation._hang_up),
    ]
)
