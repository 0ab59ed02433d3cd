"""Whose turn it is in one conversation, and when it changes: by a message, by what the bridge hears, or by time.

A turn of the assistant ends when the caller has heard all replies in it. If a reply fails, the caller hears `sorry`, if that is
set, and has the next turn. Events and messages are collected in `outcomes`. No clock: `now` is seconds; `_ms` are ms of
the caller's audio.
"""

from bridge.assistants.shared.hang_up_sequence import hung_up
from bridge.assistants.shared.owed_reply import OwedReply
from bridge.assistants.turn_based.caller_listener import LEAD_MS, CallerListener
from bridge.assistants.turn_based.modes import MOVES, Mode
from bridge.assistants.turn_based.replies import UnheardReplies
from bridge.assistants.turn_based.settings import TurnBasedSettings
from bridge.assistants.turn_based.transport import Transport, WholeReply
from bridge.vocabulary.contracts import AssistantOutcome
from bridge.vocabulary.events import (
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
    Word,
)
from bridge.vocabulary.people import TransferRequested
from telecodecs.turns import Turn, TurnDismissed, TurnEnded, TurnStarted, TurnSuspected

MOST_FAILURES = 5
"""Posts in a row without a reply, after which the assistant has failed. The loss of a WebSocket is noticed by itself."""


class Turns:
    """Whose turn it is, for one conversation."""

    def __init__(self, settings: TurnBasedSettings, transport: Transport) -> None:
        self._settings = settings
        self._transport = transport
        detects_turns = settings.ends_locally or settings.barge_in is not None
        self._listener = CallerListener(transport.hears, settings) if detects_turns else None
        self._replies = UnheardReplies(settings.heard_slack_s)
        self.mode = Mode.CONNECTING
        self.awaited = 0
        """How many replies should still come."""
        self.outcomes: list[AssistantOutcome] = []
        """Events for the core and messages for the assistant, in order; the dialect takes them."""
        self._failures = 0  # in a row
        self._reply_due: float | None = None
        self._owed = OwedReply(settings.reply_s)
        self._utterance_due: float | None = None
        self._turn_from = 0  # when the caller's turn began
        self._speech_from: int | None = None  # when the caller began to speak in this turn
        self._barged_from: int | None = None  # when the caller began to speak over a reply
        self._suspected = False  # whether the caller may be speaking over a reply
        self._transfers = 0
        self._goodbye = ""  # the item that must be heard before the assistant hangs up

    def deadline(self) -> float | None:
        """When `fall_due` wants to be called, at the latest."""
        due = (self._reply_due, self._utterance_due, self._replies.deadline())
        return min((at for at in due if at is not None), default=None)

    def is_reply_owed(self, now: float) -> bool:
        """Whether the assistant may be at work on a reply, one that was withdrawn too."""
        return self._owed.is_owed(now)

    def fall_due(self, now: float) -> None:
        """Handle what should have come by `now` and did not."""
        if self._reply_due is not None and now >= self._reply_due:
            self.fail(f"no reply came within {self._settings.reply_s:g} s", now)
        if self._utterance_due is not None and now >= self._utterance_due:
            longest_s = self._settings.longest_utterance_s
            self.report_error(f"no {self._settings.utterance_end} came within {longest_s:g} s")
            self.end_utterance(now)
        for item in self._replies.overdue(now):
            self.report_error(f"no mark came back for {item}: it counts as heard")
            self.heard(item, now)

    def report_error(self, why: str) -> None:
        """Report an error for the journal and the log."""
        self.outcomes.append(AssistantReportedError(why))

    def _move(self, mode: Mode) -> None:
        assert mode in MOVES[self.mode], f"no transition from {self.mode} to {mode}"
        self.mode = mode

    # The caller's turn

    def begin(self, now: float) -> None:
        """Begin the caller's turn, unless a reply is to come or being played. A caller who interrupted has begun it already."""
        if self._replies.pending or self.awaited:
            return
        self._move(Mode.SENDING)
        self.outcomes += self._transport.begin_turn()
        barged_from, self._barged_from, self._speech_from = self._barged_from, None, None
        if (listener := self._listener) is not None:
            self._turn_from = listener.now_ms
            if barged_from is not None:
                self._turn_from = barged_from - LEAD_MS
                for frame in listener.frames(self._turn_from):
                    self.outcomes += self._transport.say(frame)
            if barged_from is None and listener.in_turn:
                self._speaks(self._turn_from)
            elif barged_from is not None and (listener.in_turn or not listener.finds_turns):
                self._speech_from = self._turn_from
        if not self._settings.ends_locally:
            self._utterance_due = now + self._settings.longest_utterance_s

    def wait(self) -> None:
        """Begin the assistant's turn."""
        self._move(Mode.WAITING)
        self._utterance_due = self._speech_from = None

    def end_utterance(self, now: float, ended_ms: int | None = None) -> None:
        """The caller's utterance is over. `ended_ms`: where the bridge heard its end; None: the assistant did, or it is too long."""
        utterance = b""
        if (listener := self._listener) is not None and self._speech_from is not None:
            start_ms = max(self._speech_from - LEAD_MS, self._turn_from)
            utterance = listener.between(
                start_ms, listener.now_ms if ended_ms is None else ended_ms + LEAD_MS
            )
        self.wait()
        self.outcomes += self._transport.end_turn(utterance, locally=ended_ms is not None)
        self.awaited += 1
        if not self._transport.entries_are_turns:  # a leg of posts has a timeout for each
            self._reply_due = now + self._settings.reply_s
        self._owed.ask(now)
        self.outcomes.append(SpeechStopped(self._transport.utterance, ended_ms))

    def interject(self, now: float) -> None:
        """The caller typed an entry: what was said so far is an utterance."""
        if self._speech_from is not None:
            self.end_utterance(now)
        elif self.mode is Mode.SENDING:
            self.wait()

    # The assistant's turn

    def take(self, reply: WholeReply, now: float) -> None:
        """A reply came, expected or not."""
        self._answered()
        self._failures = 0
        if reply.understood and reply.utterance:
            self.outcomes.append(CallerSaid(reply.utterance, reply.understood))
        if reply.text and not reply.audio:
            self.report_error(
                "its reply has text and no audio: expected audio, the bridge has no speech synthesis"
            )
        item = self._play("reply", reply.audio, now, reply.text) if reply.audio else ""
        if reply.transfer:
            self._transfers += 1
            name = f"transfer-{self._transfers}"
            self.outcomes.append(TransferRequested(reply.transfer, reply.why, reply.summary, name))
        if not reply.hang_up:
            self.begin(now)
        elif item:
            self._goodbye = item
            self.outcomes.append(AssistantHangingUp())
        else:
            self._hang_up()

    def fail(
        self, why: str, now: float, *, is_reported: bool = False, retry_after_s: float | None = None
    ) -> None:
        """A reply failed. `is_reported`: another event says why. `retry_after_s`: how long the server asks to be left alone."""
        was_awaited = self.mode is Mode.WAITING and self.awaited > 0
        self._answered()
        self._failures += 1
        if self._transport.entries_are_turns and self._failures >= MOST_FAILURES:
            failed = f"{MOST_FAILURES} posts in a row brought no reply: {why}"
            is_final = retry_after_s is None  # another conversation would post to the same server
            self.outcomes.append(AssistantFailed(failed, is_final, retry_after_s))
            self.close()
            return
        if not is_reported:
            self.report_error(why)
        if was_awaited and (prompt := self._settings.prompt(self._transport.speaks)):
            self._play("sorry", prompt, now)
        self.begin(now)

    def _answered(self) -> None:
        """One reply fewer is to come; over a WebSocket there is at most one."""
        self.awaited = self.awaited - 1 if self._transport.entries_are_turns else 0
        self._reply_due = None
        self._owed.settle()

    def _play(self, kind: str, audio: bytes, now: float, text: str = "") -> str:
        """Play a reply. In the caller's turn it takes the turn, unless it may overlap. Returns the item."""
        if self.mode is Mode.SENDING and not self._settings.greeting_overlaps:
            if self._speech_from is not None:
                self.outcomes.append(SpeechStopped())
            self.wait()
        item = self._replies.add(kind, self._transport.speaks.duration_ms(len(audio)) / 1000, now)
        if text:
            self.outcomes.append(ReplySaid(item, text))
        self.outcomes += (ReplyAudio(item, audio), ReplyEnded(item))
        return item

    def heard(self, item: str, now: float) -> None:
        """The caller has heard all of an item."""
        if not self._replies.over(item, now):
            return
        if item == self._goodbye:
            self._hang_up()
        else:
            self.begin(now)

    def cut(self, item: str, now: float) -> None:
        """The caller did not hear all of an item, and will not."""
        if not self._replies.over(item, now):
            return
        if item == self._goodbye:
            self._goodbye = ""
            self.outcomes.append(AssistantHangingUp(intended=False))
        self.begin(now)

    def _hang_up(self) -> None:
        self.outcomes.append(hung_up())
        self.close()

    def close(self) -> None:
        """The conversation is over: drop the messages that are not sent, and all timeouts."""
        self._move(Mode.CLOSED)
        self.outcomes = [outcome for outcome in self.outcomes if isinstance(outcome, Word)]
        self._reply_due = self._utterance_due = None
        self._replies = UnheardReplies(0.0)

    # The caller's audio

    def hear(self, audio: bytes, now: float) -> None:
        """Pass the caller's audio to the assistant in the caller's turn, and to our own listener in any turn."""
        if self.mode is Mode.SENDING:
            self.outcomes += self._transport.say(audio)
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
        self.outcomes.append(SpeechStarted(interrupts=False, at_ms=at_ms))

    def _hear_interruption(self, turn: Turn, listener: CallerListener, now: float) -> None:
        match turn:
            case TurnSuspected() if self._replies.pending:
                self._suspected = True
                self.outcomes.append(SpeechSuspected())
            case TurnDismissed() if self._suspected:
                assert self._settings.barge_in is not None
                self._suspected = False
                self._replies.hold(self._settings.barge_in.confirm_ms / 1000)
                self.outcomes.append(SpeechDismissed())
            case TurnStarted(at_ms) if self._suspected or self._replies.pending or self.mode is Mode.WAITING:
                self._barge_in(at_ms, now)
            case TurnStarted(at_ms) if self._speech_from is None and not listener.finds_turns:
                self._speaks(at_ms)

    def _barge_in(self, at_ms: int, now: float) -> None:
        """The caller interrupts. The core stops what is played, and reports it; a reply that is still to come is withdrawn."""
        self._suspected = False
        self.outcomes.append(SpeechStarted(interrupts=True, at_ms=at_ms))
        if self.mode is Mode.WAITING or self._replies.pending:
            self._barged_from = at_ms
        elif self._speech_from is None:
            self._speech_from = at_ms
        if self.mode is Mode.WAITING:
            if self.awaited:
                self._transport.withdraw()
                self.awaited, self._reply_due = 0, None
            self.begin(now)
