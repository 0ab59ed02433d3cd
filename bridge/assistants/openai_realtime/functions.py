"""What becomes of a function call: somebody runs it, or it is built in and done here; each gets one output.

Built in are hang_up, note, collect_digits and send_digits. An entry is asked for at once, for the caller may type while
the prompt is still being said; its output comes when the entry ends, and no filler is said over it. An assistant that
asks again in a later response has given up the earlier wish: the entry, under its old name, now answers the new call.
No clock: `now` is seconds.
"""

from collections.abc import Callable

from msgspec import json

from bridge.assistants.openai_realtime import keypad, wire
from bridge.assistants.openai_realtime.arguments import Refused, entry_in, keys_in, note_in, nothing_in
from bridge.assistants.openai_realtime.calls import Called, Calls
from bridge.assistants.openai_realtime.hang_up_sequence import HangUpSequence
from bridge.vocabulary.commands import EnterDigits
from bridge.vocabulary.contracts import AssistantOutcome
from bridge.vocabulary.events import AssistantHangingUp, EntryEnd, NoteTaken, PressRequested


class Functions:
    """One session's. `new_id`: the next name for an item or an event of ours."""

    def __init__(self, calls: Calls, hanging_up: HangUpSequence, new_id: Callable[[], str]) -> None:
        self._calls = calls
        self._hang_up_sequence = hanging_up
        self._new_id = new_id
        self._prompts: dict[str, str] = {}  # by call, until its response is done
        self._wishes: dict[str, Called] = {}  # by the name of the entry, the call that it answers
        self._built_in = {
            "hang_up": self._hang_up,
            "note": self._note,
            "collect_digits": self._collect_digits,
            "send_digits": self._send_digits,
        }

    def call(self, call: Called, now: float) -> list[AssistantOutcome]:
        """A call of which all is known."""
        self._calls.join(call)
        built_in = self._built_in.get(call.name)
        if built_in is None:
            return [self._calls.begin(call, now)]
        try:
            return built_in(call)
        except Refused as wrong:
            return [self._put_out(call.call_id, f"error: {wrong}")]

    def refuse(self, call: Called) -> list[AssistantOutcome]:
        """A call in a response that was interrupted: nobody waits for it."""
        return [self._put_out(call.call_id, "error: interrupted", follow_up=False)]

    def answer(self, call_id: str, output: str) -> list[AssistantOutcome]:
        """What came of a function that somebody else ran."""
        return [self._put_out(call_id, output)] if self._calls.answered(call_id) else []

    def is_asked(self, entry: EnterDigits) -> bool:
        """Whether a call of this session waits for this entry."""
        return entry.request_id in self._wishes

    def enter(self, entry: EnterDigits) -> list[AssistantOutcome]:
        """The entry that a call asked for."""
        call = self._wishes.pop(entry.request_id)
        return [self._answer_entry(call, keypad.output(entry), follow_up=entry.reason is not EntryEnd.HANGUP)]

    def _answer_entry(self, call: Called, output: str, *, follow_up: bool) -> str:
        self._calls.answered(call.call_id)
        self._prompts.pop(call.call_id, None)
        return self._put_out(call.call_id, output, follow_up=follow_up)

    def take_prompt(self, said: str | None) -> str:
        """What the caller is still to be told of entries that are asked for, once; nothing if `said` has it.

        `said`: the words of the response that asked; None if it had sound, and they are not known.
        """
        prompts = [prompt for prompt in self._prompts.values() if not _has(said, prompt)]
        self._prompts.clear()
        return " ".join(prompts)

    def _note(self, call: Called) -> list[AssistantOutcome]:
        return [NoteTaken(note_in(call.arguments)), self._put_out(call.call_id, "noted")]

    def _hang_up(self, call: Called) -> list[AssistantOutcome]:
        nothing_in(call.arguments)
        self._hang_up_sequence.call(call.response_id)
        return [AssistantHangingUp(), self._put_out(call.call_id, "the call ends now", follow_up=False)]

    def _collect_digits(self, call: Called) -> list[AssistantOutcome]:
        earlier = (name for name, wish in self._wishes.items() if wish.response_id != call.response_id)
        name = next(earlier, call.call_id)
        prompt, asked = entry_in(name, call.arguments)
        given_up = self._wishes.get(name)
        self._wishes[name] = call
        self._calls.wait_for_entry(call)
        if prompt:
            self._prompts[call.call_id] = prompt
        if given_up is None:
            return [asked]
        return [self._answer_entry(given_up, "error: asked again since", follow_up=False), asked]

    def _send_digits(self, call: Called) -> list[AssistantOutcome]:
        keys = keys_in(call.arguments)
        return [PressRequested(keys), self._put_out(call.call_id, json.encode({"sent": keys}).decode())]

    def _put_out(self, call_id: str, output: str, *, follow_up: bool = True) -> str:
        item_id = self._new_id()
        if follow_up:
            self._calls.put_out(item_id)
        return wire.create_output(call_id, output, item_id)


def _has(said: str | None, prompt: str) -> bool:
    """Whether what was said is the prompt, in these words or nearly: at least half of them."""
    if said is None:
        return True
    wanted = _words(prompt)
    return 2 * len(wanted & _words(said)) >= len(wanted)


def _words(text: str) -> set[str]:
    return {"".join(filter(str.isalnum, word)) for word in text.casefold().split()} - {""}
