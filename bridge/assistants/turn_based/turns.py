"""Whose turn it is in one conversation, and how it passes on: by what comes, by what the bridge hears, or by time.

A turn of the assistant's ends with the last of what the caller had to hear; a second reply in it is heard too. Whatever
fails on the way costs that turn: the caller hears `sorry`, where there is one, and has the next. What there is to send
and to tell stands in `sends` and `tells`. No clock: `now` is seconds; `_ms` are ms of the caller's audio.
"""

from bridge.assistants.shared.hang_up_sequence import hung_up
from bridge.assistants.turn_based.caller_listener import LEAD_MS, CallerListener
from bridge.assistants.turn_based.modes import MOVES, Mode
from bridge.assistants.turn_based.replies import UnheardReplies
from bridge.assistants.turn_based.settings import TurnBasedSettings
from bridge.assistants.turn_based.transport import Reply, Transport
from bridge.vocabulary.contracts import Message
from bridge.vocabulary.events import (
    AssistantEvent,
    AssistantFailed,
    AssistantHangingUp,
    AssistantReportedError,
    CallerSaid,
    ReplyAudio,
    ReplyEnded,
    ReplySaid,
    SpeechDismissed,
    SpeechStarted,
    SpeechStopped,
    SpeechSuspected,
)
from telecodecs.turns import Turn, TurnDismissed, TurnEnded, TurnStarted, TurnSuspected

MOST_FAILURES = 5
"""Posts in a row without a reply; then the server is of no use. A WebSocket tells by itself that it is gone."""


class Turns:
    """One conversation's."""

    def __init__(self, settings: TurnBasedSettings, transport: Transport) -> None:
        self._settings = settings
        self._transport = transport
        hears_itself = settings.ends_locally or settings.barge_in is not None
        self._listener = CallerListener(transport.hears, settings) if hears_itself else None
        self._replies = UnheardReplies(settings.heard_slack_s)
        self.mode = Mode.CONNECTING
        self.awaited = 0
        """Replies that should come."""
        self.sends: list[Message] = []
        self.tells: list[AssistantEvent] = []
        self._failures = 0  # in a row
        self._reply_due: float | None = None
        self._utterance_due: float | None = None
        self._turn_from = 0  # when the caller's turn began
        self._speech_from: int | None = None  # in it he speaks since
        self._barged_from: int | None = None  # he spoke over a reply since
        self._suspected = False  # he may have
        self._goodbye = ""  # the item that is to be heard before the assistant hangs up

    def deadline(self) -> float | None:
        """When `fall_due` wants to be called, at the latest."""
        due = (self._reply_due, self._utterance_due, self._replies.deadline())
        return min((at for at in due if at is not None), default=None)

    def fall_due(self, now: float) -> None:
        """What should have come by `now`, and did not."""
        if self._reply_due is not None and now >= self._reply_due:
            self.fail(f"no reply came within {self._settings.reply_s:g} s", now)
        if self._utterance_due is not None and now >= self._utterance_due:
            longest_s = self._settings.longest_utterance_s
            self.report_error(f"no {self._settings.utterance_end} came within {longest_s:g} s")
            self.end_utterance(now)
        for item in self._replies.overdue(now):
            self.report_error(f"no mark says that {item} was heard; it is taken to be")
            self.heard(item, now)

    def report_error(self, why: str) -> None:
        """For the owner to see."""
        self.tells.append(AssistantReportedError(why))

    def _move(self, mode: Mode) -> None:
        assert mode in MOVES[self.mode], f"a conversation that is {self.mode} does not become {mode}"
        self.mode = mode

    # The caller's turn

    def begin(self, now: float) -> None:
        """The caller's, if nothing is to come and nothing to be heard. One who spoke over a reply has begun already."""
        if self._replies.pending or self.awaited:
            return
        self._move(Mode.SENDING)
        self.sends += self._transport.begin_turn()
        barged_from, self._barged_from, self._speech_from = self._barged_from, None, None
        if (listener := self._listener) is not None:
            self._turn_from = listener.now_ms
            if barged_from is not None:
                self._turn_from = barged_from - LEAD_MS
                for frame in listener.frames(self._turn_from):
                    self.sends += self._transport.say(frame)
            if barged_from is None and listener.in_turn:
                self._speaks(self._turn_from)
            elif barged_from is not None and (listener.in_turn or not listener.finds_turns):
                self._speech_from = self._turn_from
        if not self._settings.ends_locally:
            self._utterance_due = now + self._settings.longest_utterance_s

    def wait(self) -> None:
        """The assistant's."""
        self._move(Mode.WAITING)
        self._utterance_due = self._speech_from = None

    def end_utterance(self, now: float, ended_ms: int | None = None) -> None:
        """`ended_ms`: where the bridge heard its end; None: it was told, or time is up."""
        utterance = b""
        if (listener := self._listener) is not None and self._speech_from is not None:
            start_ms = max(self._speech_from - LEAD_MS, self._turn_from)
            utterance = listener.between(
                start_ms, listener.now_ms if ended_ms is None else ended_ms + LEAD_MS
            )
        self.wait()
        self.sends += self._transport.end_turn(utterance, locally=ended_ms is not None)
        self.awaited += 1
        if not self._transport.entries_are_turns:  # a leg of posts has a time for each
            self._reply_due = now + self._settings.reply_s
        self.tells.append(SpeechStopped(self._transport.utterance, ended_ms))

    def interject(self, now: float) -> None:
        """The caller goes on by other means: what he has said so far is an utterance."""
        if self._speech_from is not None:
            self.end_utterance(now)
        elif self.mode is Mode.SENDING:
            self.wait()

    # The assistant's turn

    def take(self, reply: Reply, now: float) -> None:
        """A reply came, asked for or not."""
        self._answered()
        self._failures = 0
        if reply.understood and reply.utterance:
            self.tells.append(CallerSaid(reply.utterance, reply.understood))
        if reply.text and not reply.audio:
            self.report_error(
                "its reply has text and no audio: expected audio, the bridge has no speech synthesis"
            )
        item = self._play("reply", reply.audio, now, reply.text) if reply.audio else ""
        if not reply.hang_up:
            self.begin(now)
        elif item:
            self._goodbye = item
            self.tells.append(AssistantHangingUp())
        else:
            self._leave()

    def fail(self, why: str, now: float, *, told: bool = False) -> None:
        """There should have been a reply. `told`: why is told elsewhere."""
        was_awaited = self.mode is Mode.WAITING and self.awaited > 0
        self._answered()
        self._failures += 1
        if self._transport.entries_are_turns and self._failures >= MOST_FAILURES:
            self.tells.append(AssistantFailed(f"{MOST_FAILURES} posts in a row were of no use: {why}"))
            self.close()
            return
        if not told:
            self.report_error(why)
        if was_awaited and (prompt := self._settings.prompt(self._transport.speaks)):
            self._play("sorry", prompt, now)
        self.begin(now)

    def _answered(self) -> None:
        """One reply less is awaited; over a WebSocket there is one at the most."""
        self.awaited = self.awaited - 1 if self._transport.entries_are_turns else 0
        self._reply_due = None

    def _play(self, kind: str, audio: bytes, now: float, text: str = "") -> str:
        """Returns the item. What comes in the caller's turn takes the turn, unless it may overlap."""
        if self.mode is Mode.SENDING and not self._settings.greeting_overlaps:
            if self._speech_from is not None:
                self.tells.append(SpeechStopped())
            self.wait()
        item = self._replies.add(kind, self._transport.speaks.duration_ms(len(audio)) / 1000, now)
        if text:
            self.tells.append(ReplySaid(item, text))
        self.tells += (ReplyAudio(item, audio), ReplyEnded(item))
        return item

    def heard(self, item: str, now: float) -> None:
        """The caller heard it to its end."""
        if not self._replies.over(item, now):
            return
        if item == self._goodbye:
            self._leave()
        else:
            self.begin(now)

    def cut(self, item: str, now: float) -> None:
        """The caller did not hear all of it, and will not."""
        if not self._replies.over(item, now):
            return
        if item == self._goodbye:
            self._goodbye = ""
            self.tells.append(AssistantHangingUp(intended=False))
        self.begin(now)

    def _leave(self) -> None:
        self.tells.append(hung_up())
        self.close()

    def close(self) -> None:
        """Nothing is said any more, and nothing waited for."""
        self._move(Mode.CLOSED)
        self.sends.clear()
        self._reply_due = self._utterance_due = None
        self._replies = UnheardReplies(0.0)

    # The caller, as he is heard

    def hear(self, audio: bytes, now: float) -> None:
        """His audio: to the assistant in his own turn, and to our own listener in any."""
        if self.mode is Mode.SENDING:
            self.sends += self._transport.say(audio)
        listener = self._listener
        if listener is None or self.mode is Mode.CLOSED:
            return
        turns, interruptions = listener.feed(
            audio, self._speech_from if self._barged_from is None else self._barged_from
        )
        for turn in turns:
            self._hear_turn(turn, now)
        for turn in interruptions:
            self._hear_interruption(turn, listener, now)
        longest_ms = self._settings.longest_utterance_s * 1000
        since_ms = self._speech_from
        if listener.finds_turns and since_ms is not None and listener.now_ms - since_ms >= longest_ms:
            self.end_utterance(now, listener.now_ms)

    def _hear_turn(self, turn: Turn, now: float) -> None:
        if self.mode is not Mode.SENDING:
            return
        match turn:
            case TurnStarted(at_ms) if self._speech_from is None:
                self._speaks(at_ms)
            case TurnEnded(at_ms) if self._speech_from is not None:
                self.end_utterance(now, at_ms)

    def _speaks(self, at_ms: int) -> None:
        self._speech_from = at_ms
        self.tells.append(SpeechStarted(interrupts=False, at_ms=at_ms))

    def _hear_interruption(self, turn: Turn, listener: CallerListener, now: float) -> None:
        match turn:
            case TurnSuspected() if self._replies.pending:
                self._suspected = True
                self.tells.append(SpeechSuspected())
            case TurnDismissed() if self._suspected:
                assert self._settings.barge_in is not None
                self._suspected = False
                self._replies.hold(self._settings.barge_in.confirm_ms / 1000)
                self.tells.append(SpeechDismissed())
            case TurnStarted(at_ms) if self._suspected or self._replies.pending or self.mode is Mode.WAITING:
                self._barge_in(at_ms, now)
            case TurnStarted(at_ms) if self._speech_from is None and not listener.finds_turns:
                self._speaks(at_ms)

    def _barge_in(self, at_ms: int, now: float) -> None:
        """The core cuts what is played, and says so; what is only awaited is not wanted any more."""
        self._suspected = False
        self.tells.append(SpeechStarted(interrupts=True, at_ms=at_ms))
        if self.mode is Mode.WAITING or self._replies.pending:
            self._barged_from = at_ms
        elif self._speech_from is None:
            self._speech_from = at_ms
        if self.mode is Mode.WAITING:
            if self.awaited:
                self._transport.withdraw()
                self.awaited, self._reply_due = 0, None
            self.begin(now)
