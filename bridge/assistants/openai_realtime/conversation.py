"""The conversation in one session: whose turn it is, which responses to request, which to cancel, when to hang up.

Where the server detects turns, it answers the caller by itself; everything else that wants a response goes through the
gate. Each method returns events for the core and messages for the server, in order; `advance` is called after each.
No clock: `now` is seconds.
"""

from collections.abc import Callable
from math import inf

from bridge.assistants.openai_realtime import usage, wire
from bridge.assistants.openai_realtime.caller_turn import CallerTurn
from bridge.assistants.openai_realtime.calls import FunctionCalls
from bridge.assistants.openai_realtime.earlier_items import EarlierItems
from bridge.assistants.openai_realtime.failed_responses import FailedResponses, Failure, cut_short
from bridge.assistants.openai_realtime.gate import Request, ResponseGate, scripted
from bridge.assistants.openai_realtime.replies import ReplyItems
from bridge.assistants.openai_realtime.server_events import AudioDelta, Item, ResponseBody
from bridge.assistants.openai_realtime.settings import RealtimeSettings
from bridge.assistants.shared import keypad
from bridge.assistants.shared.hang_up_sequence import HangUpSequence, Step, hung_up
from bridge.assistants.shared.model_clock import ModelClock
from bridge.assistants.shared.pending_calls import PendingCalls
from bridge.assistants.shared.reply_timeout import ReplyTimeout
from bridge.assistants.shared.scripted_responses import Purpose, ScriptedResponses
from bridge.assistants.shared.tool_calls import ToolCall, ToolCalls
from bridge.vocabulary import retry_after
from bridge.vocabulary.built_in_tools import HANG_UP
from bridge.vocabulary.commands import EnterDigits
from bridge.vocabulary.contracts import AssistantOutcome
from bridge.vocabulary.events import (
    AssistantFailed,
    AssistantHangingUp,
    AssistantReportedError,
    EntryEnd,
    ReplyAudio,
    ReplyDelayed,
    Said,
    Speaker,
    SpeechStarted,
    SpeechStopped,
    TokensUsed,
)
from bridge.vocabulary.people_tools import BRIEFING_TOOLS

MOST_CANCELS = 1_000
"""Cancels that the server may still refuse; older ones are forgotten."""


class RealtimeConversation:
    """The conversation of one session. `new_id`: the next id for an item or an event of ours."""

    def __init__(
        self, settings: RealtimeSettings, scripted: ScriptedResponses, new_id: Callable[[], str]
    ) -> None:
        self._settings = settings
        self._scripted = scripted
        self._new_id = new_id
        vad = settings.turn_detection
        self._server_hears = vad.type != "none"
        self._server_answers = vad.type != "none" and vad.create_response
        self._server_interrupts = vad.type != "none" and vad.interrupt_response
        self.gate = ResponseGate(new_id)
        self.replies = ReplyItems(new_id)
        self.failures = FailedResponses(self.gate, settings.retry_s)
        self._reply_timeout = ReplyTimeout(settings.reply_s)
        self._turn = CallerTurn()
        self._cancels: dict[str, str] = {}  # by our event's id, the response that it cancels
        self._hang_up_sequence = HangUpSequence()
        self._pending = PendingCalls(settings.filler.after_s)
        self._tools = ToolCalls(self._pending, self._hang_up_sequence)
        self._calls = FunctionCalls(self._pending, new_id)
        self.earlier = EarlierItems(self._pending, self._calls, new_id)
        self.clock = ModelClock()
        self.over = False
        """Whether it failed or was closed; nothing more is requested then."""

    # The caller

    def caller_spoke(
        self, at_ms: int | None, *, interrupts: bool, server_cancels: bool
    ) -> list[AssistantOutcome]:
        """The caller began to speak. `server_cancels`: the server cancels the response in the conversation by itself.

        `at_ms`, here and below: by the server's clock; the events have it by the clock of the caller's audio.
        """
        self._reply_timeout.suspend()
        self.failures.interrupted()
        self.gate.hold(inf)
        cancels = self._interrupt(server_cancels=server_cancels) if interrupts else []
        self._turn.begin(self.gate.open.keys() - self.replies.dropped)
        return [*cancels, SpeechStarted(interrupts, self._own_ms(at_ms))]

    def is_reply_owed(self, now: float) -> bool:
        """Whether the server may be at work on a response."""
        return self._reply_timeout.is_owed(now)

    @property
    def caller_speaks(self) -> bool:
        """Whether the caller speaks, according to turn detection."""
        return self._turn.speaks

    def _own_ms(self, at_ms: int | None) -> int | None:
        return None if at_ms is None else self.clock.own_ms(at_ms)

    def server_heard_speech(self, at_ms: int | None, now: float) -> list[AssistantOutcome]:
        """The server's turn detection heard the caller begin to speak."""
        self._turn.limit(now)
        return self.caller_spoke(at_ms, interrupts=self._server_interrupts, server_cancels=True)

    def server_heard_pause(self, item_id: str, at_ms: int | None, now: float) -> list[AssistantOutcome]:
        """The server's turn detection heard the caller stop. Its response should follow, within `reply_s`."""
        self._turn.end()
        self.gate.hold(now + self._settings.reply_s)
        self._reply_timeout.start(now)
        return [SpeechStopped(item_id, self._own_ms(at_ms))]

    def committed(self, now: float) -> None:
        """The caller's turn is an item of the conversation."""
        if self._server_answers:
            self._reply_timeout.start(now)
        elif self._server_hears:
            self.want_reply()

    def caller_paused(self, at_ms: int) -> list[AssistantOutcome]:
        """Our own turn detector heard the caller stop: make the turn an item, and request a reply."""
        self._turn.end()
        self.want_reply()
        return [SpeechStopped(at_ms=self._own_ms(at_ms)), wire.commit()]

    def item_added(self, item_id: str) -> None:
        """The server has added an item to the conversation."""
        if item_id.startswith(wire.OURS):
            self.gate.acknowledge(item_id)

    def want_reply(self) -> None:
        """Request a reply that the server does not make by itself."""
        self.gate.release()
        self.gate.ask(Request())

    def _interrupt(self, *, server_cancels: bool) -> list[AssistantOutcome]:
        """Cancel what is being said, and drop what was about to be said."""
        made = self.gate.open
        active = (made.keys() | self.replies.coming_in) - self.replies.dropped
        if server_cancels:
            active = {name for name in active if name in made and made[name].is_aside}
        self.replies.drop(made.keys() | self.replies.unheard)
        self.gate.interrupt()
        self._reply_timeout.suspend()
        self.failures.interrupted()
        stays: list[AssistantOutcome] = (
            [AssistantHangingUp(intended=False)] if self._hang_up_sequence.call_off() else []
        )
        return [*stays, *(self._cancel(response_id) for response_id in sorted(active) if response_id)]

    def _cancel(self, response_id: str) -> str:
        event_id = self._new_id()
        self._cancels[event_id] = response_id
        if len(self._cancels) > MOST_CANCELS:
            del self._cancels[next(iter(self._cancels))]
        return wire.cancel_response(response_id, event_id)

    # Commands

    def brief(self) -> None:
        """The session is one with a person who is briefed: it has the tools of that alone."""
        self._tools.built_in = BRIEFING_TOOLS

    def heard(self, item_id: str, heard_ms: int | None) -> list[AssistantOutcome]:
        """The caller heard the first `heard_ms` of an item; None: all of it. Otherwise the playback was cleared."""
        cleared = heard_ms is not None and self.replies.is_current(item_id)
        cancels = self._interrupt(server_cancels=False) if cleared else []
        return [*cancels, *self.replies.settle(item_id, heard_ms)]

    def enter_digits(self, entry: EnterDigits) -> list[AssistantOutcome]:
        """An entry has ended: the caller typed it, or did not type what was requested."""
        if self._tools.is_requested(entry):
            typed = bool(entry.digits or entry.terminator) and not self._calls.being_made
            return [*self._make_way(entry, typed=typed), *self._calls.sent([self._tools.enter(entry)])]
        text = keypad.as_text(entry, self._settings.dtmf.text)
        if not text:
            return []
        item_id = self._new_id()
        cancels = self._make_way(entry, typed=True)
        if self._is_answered(entry):
            self.gate.ask(Request(items=frozenset({item_id})))
        return [*cancels, wire.create_said(Said(Speaker.CALLER, text), item_id)]

    def _is_answered(self, entry: EnterDigits) -> bool:
        return self._settings.dtmf.respond == "create" and entry.reason is not EntryEnd.HANGUP

    def _make_way(self, entry: EnterDigits, *, typed: bool) -> list[AssistantOutcome]:
        """A caller who has typed need not hear the rest of what is being said: cancel it, if a reply follows."""
        return self._interrupt(server_cancels=False) if typed and self._is_answered(entry) else []

    def answer_call(self, tool_call_id: str, output: str) -> list[AssistantOutcome]:
        """A tool that ran for a function call has ended."""
        return self._calls.sent(self._tools.answer(tool_call_id, output))

    def say(self, text: str) -> list[AssistantOutcome]:
        """Have the model say this at once, in place of what it is saying."""
        cancels = self._interrupt(server_cancels=False)
        self.gate.release()
        self.gate.ask(scripted(self._scripted.prompt(text)))
        return cancels

    def tell(self, text: str, *, responds: bool) -> list[AssistantOutcome]:
        """Words that the caller does not hear, as an item of the system's. `responds`: a response to them is wanted."""
        item_id = self._new_id()
        if responds:
            self.gate.ask(Request(items=frozenset({item_id})))
        return [wire.create_told(text, item_id)]

    # Replies

    def audio(self, event: AudioDelta, now: float) -> list[ReplyAudio]:
        """Reply audio came. The hot path."""
        said = self.replies.audio(event)
        if said and event.response_id in self.gate.open:
            self._reply_timeout.go_on(now)
        elif said:
            self._reply_timeout.stop()
        return said

    def _came(self, response_id: str, now: float) -> None:
        """A part of a reply came; while its response is open, more should come."""
        if response_id in self.gate.open:
            self._reply_timeout.go_on(now)
        else:
            self._reply_timeout.stop()

    def function_call(
        self, response_id: str, item: Item, now: float, *, complete: bool
    ) -> list[AssistantOutcome]:
        """An event holds a function call or a part of it. `complete`: its arguments are complete."""
        call = self._calls.gather(response_id, item, complete=complete)
        return [] if call is None else self._call(call, self.gate.request_of(response_id), now)

    def _call(self, call: ToolCall, request: Request | None, now: float) -> list[AssistantOutcome]:
        """The model calls a tool, in a response to this request. Scripted words are no reason to end the call."""
        if call.response_id in self.replies.dropped:
            return self._calls.sent([self._tools.refuse(call)])
        self._came(call.response_id, now)
        if call.name == HANG_UP.name and request is not None and request.purpose is not Purpose.REPLY:
            return self._calls.sent([self._tools.refuse_hang_up(call)])
        self._calls.join(call)
        return self._calls.sent(self._tools.call(call, now))

    # Responses

    def response_created(self, response: ResponseBody, now: float) -> list[AssistantOutcome]:
        """A response is being made, for our request or by the server itself."""
        wanted = self.gate.created(response.id, response.client_event_id)
        self._reply_timeout.go_on(now)
        if self.gate.open[response.id].is_aside:
            self.replies.set_aside(response.id)
        else:
            self._turn.created(response.id)
        if wanted:
            return []
        self.replies.drop([response.id])
        return [self._cancel(response.id)]

    def response_done(self, response: ResponseBody, now: float) -> list[AssistantOutcome]:
        """A response has ended; we may not have known of it."""
        request = self.gate.done(response.id, response.client_event_id)
        said = self.replies.said(response.id)
        came = self._last_of(response, request, now)
        called = self._calls.response_done(response.id)
        prompt = self._tools.take_prompt(said) if called else ""
        if response.id in self.replies.dropped:
            return came
        self._reply_timeout.stop()
        if self._turn.still_waits(response.id):
            self._reply_timeout.start(now)
        is_ours_to_judge = request is not None and not request.is_aside
        is_silent = is_ours_to_judge and not called and not self.replies.spoke(response.id)
        came += self._step(request or Request(), response, now, is_silent=is_silent, called=called)
        if prompt and not (self._turn.speaks or self._hang_up_sequence.intended):
            self.gate.ask(scripted(self._scripted.prompt(prompt)))
        return came

    def _never_done(self, response_id: str) -> list[AssistantOutcome]:
        """A response that was cancelled counts as done, though its `response.done` did not come."""
        self.gate.done(response_id, None)
        self._calls.response_done(response_id)
        return [*self.replies.end_response(response_id), *self._tools.take_transfers(response_id)]

    def _step(
        self, request: Request, response: ResponseBody, now: float, *, is_silent: bool, called: bool
    ) -> list[AssistantOutcome]:
        """Decide what follows the end of a response."""
        is_farewell = request.purpose is Purpose.FAREWELL and response.status != "failed"
        spoke = self._hang_up_sequence.intended and self.replies.spoke(response.id)
        step = self._hang_up_sequence.response_done(response.id, spoke=spoke, is_farewell=is_farewell)
        if step is Step.SAY_GOODBYE:
            self.gate.ask(scripted(self._scripted.farewell(self._settings.goodbye)))
        failure = cut_short(response)
        if step is Step.GO_ON:
            is_silent = is_silent and not self._turn.speaks
            failure = self.failures.ended(request, response, now, is_silent=is_silent, called=called)
        return [] if failure is None else self.follow(failure)

    def _last_of(self, response: ResponseBody, request: Request | None, now: float) -> list[AssistantOutcome]:
        """What `response.done` brings: calls that no event held before, ends of items, tokens."""
        items = [item for item in response.items if item.type == "function_call"]
        made = [self._calls.gather(response.id, item, complete=True) for item in items]
        calls = [call for call in made if call is not None] + self._calls.without_id(response.id)
        came = [outcome for call in calls for outcome in self._call(call, request, now)]
        came += [*self.replies.end_response(response.id), *self._tools.take_transfers(response.id)]
        if tokens := usage.of_response(response.usage):
            came.append(TokensUsed(tokens))
        return came

    def follow(self, failure: Failure) -> list[AssistantOutcome]:
        """What a failure leads to."""
        if failure.wait_s is None:
            return self.fail(failure.why, final=failure.final)
        reported: list[AssistantOutcome] = [AssistantReportedError(failure.why)]
        return [*reported, ReplyDelayed(failure.wait_s)] if failure.wait_s else reported

    # The end

    def close(self) -> list[AssistantOutcome]:
        """The conversation is over: cancel the responses that are open."""
        self.over = True
        unwanted = self.gate.open.keys() - self.replies.dropped
        return [self._cancel(response_id) for response_id in sorted(unwanted)]

    def _hang_up(self) -> list[AssistantOutcome]:
        self.over = True
        return [hung_up()]

    def fail(self, why: str, *, final: bool = False) -> list[AssistantOutcome]:
        """Report once that the assistant has failed. If it was about to hang up, it hangs up instead."""
        if self.over:
            return []
        if self._hang_up_sequence.intended:
            return self._hang_up()
        self.over = True
        return [AssistantFailed(why, final, retry_after.from_text(why))]

    def cancel_refused(self, event_id: str | None) -> list[AssistantOutcome]:
        """The server had no response for our cancel of this id: it had ended. Nothing if no cancel has the id."""
        response_id = self._cancels.pop(event_id or "", None)
        return [] if response_id is None else self._never_done(response_id)

    def take_unanswered_turn(self) -> bool:
        """Whether the caller waits for a response that the server should make by itself, and does not; once."""
        waits = not self.gate.open and self._reply_timeout.deadline() is not None
        if waits:
            self.gate.release()
            self._reply_timeout.stop()
        return waits

    # Time

    def deadline(self) -> float | None:
        """When `advance` wants to be called, at the latest."""
        due = (
            self.gate.deadline(),
            self._reply_timeout.deadline(),
            self._pending.deadline(),
            self._turn.deadline(),
        )
        return min((at for at in due if at is not None), default=None)

    def advance(self, now: float) -> list[AssistantOutcome]:
        """Send the `response.create` that is due by now, if one is, and end what has waited too long."""
        if self.over:
            return []
        ended = [event for cut in self.gate.overdue(now) for event in self._never_done(cut)]
        if self._turn.is_too_long(now):
            self._turn.end()
            self.gate.release()
        return [*ended, *self._go_on(now)]

    def _go_on(self, now: float) -> list[AssistantOutcome]:
        if not self._hang_up_sequence.intended and (outputs := self._calls.take_outputs()):
            self.gate.ask(Request(items=outputs))
        if self._hang_up_sequence.is_ready and not self._pending.any_running:
            return self._hang_up()
        if self._pending.take_filler(now, quiet=self._is_quiet()):
            self.gate.ask(scripted(self._scripted.filler(self._settings.filler.say)))
        if self._reply_timeout.is_over(now):
            if not self._reply_timeout.retry_once(now):
                return self.fail(f"no reply within {self._settings.reply_s:g} s")
            if self.gate.in_flight is None:
                self.want_reply()
        sent = self.gate.advance(now)
        if self.gate.gave_up:
            return self.fail("it makes no response, though asked twice")
        if sent and self.gate.in_flight is not None and not self.gate.in_flight.is_aside:
            self._reply_timeout.start(now)
        return [*sent]

    def _is_quiet(self) -> bool:
        is_between = self.gate.is_free and not self._turn.speaks and not self._hang_up_sequence.intended
        return is_between and not self.replies.unheard_ms
