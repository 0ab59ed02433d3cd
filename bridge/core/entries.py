"""What the caller types, on its way to the assistant: each key, and each entry, requested or not, sensitive or not.

While there is no assistant, keys are held. The keys of a sensitive entry are not passed on one by one, and the entry has
a placeholder: only tools see its digits. No clock: `now` is seconds; what falls due is in the call's `timers`.
"""

from collections import deque
from dataclasses import dataclass, field, replace

from bridge.core.keypad import Entry, EntryRules, Keypad
from bridge.core.timers import Timer, Timers
from bridge.vocabulary.commands import Command, EnterDigits, SetSensitive, TypeDigit
from bridge.vocabulary.events import DigitPressed, EntryEnd, EntryRequested

HELD_KEYS = 32
"""The most keys that are held while there is no assistant; beyond it the oldest are dropped."""

REQUESTED_S = 15.0
"""For the first key of an entry that was requested without a time, because each request must be answered."""

MOST_REQUESTS = 16
"""The most requests that wait for their entry; one more is answered at once, with no digits."""

MORE_S = 5.0
"""So long after a sensitive entry for which no further key came, keys are sensitive too: they may be the rest of it."""

LOOK_AGAIN_S = 0.5
"""From one look to the next, while there is no assistant or the caller still hears the prompt."""


@dataclass(frozen=True, slots=True)
class KeypadRules:
    """How the caller's keys are taken."""

    entry: EntryRules = field(default_factory=EntryRules)
    sensitive: bool = False
    """All entries are sensitive."""
    interrupts: bool = True
    """The first key of an entry interrupts what is played, for an assistant that takes entries for utterances."""
    mute_s: float = 0.15
    """So long after a key the assistant hears silence, for the tone may be in the caller's audio; 0: it hears the tone."""
    in_band: bool = False
    """Keys are also detected as tones in the caller's audio, for carriers that do not report them."""


class Entries:
    """The keys and entries of one call."""

    def __init__(self, rules: KeypadRules, timers: Timers) -> None:
        self._rules = rules
        self._timers = timers
        self._keypad = Keypad(rules.entry)
        self._held: deque[DigitPressed] = deque(maxlen=HELD_KEYS)
        self._has_assistant = False
        self._requests: deque[EntryRequested] = deque()  # the entry of the first one is being gathered
        self._is_sensitive = False
        self._sensitive_until = 0.0  # for keys behind a sensitive entry, or behind a request for one
        self._placeholders = 0
        self.keys = 0
        """Keys that were pressed while there was an assistant."""

    @property
    def is_empty(self) -> bool:
        """Whether the next key is the first of an entry."""
        return self._keypad.is_empty

    @property
    def is_gathering(self) -> bool:
        """Whether an entry is begun, or requested."""
        return bool(self._requests) or not self._keypad.is_empty

    @property
    def requests(self) -> tuple[EntryRequested, ...]:
        """The entries that the assistant has requested and not got."""
        return tuple(self._requests)

    def set_sensitive(self, now: float) -> list[Command]:
        """Say whether keys are sensitive from now on, if that changes; and set the timer for what falls due next."""
        is_half_typed = self._is_sensitive and not self._keypad.is_empty
        is_requested = bool(self._requests) and self._requests[0].sensitive
        is_sensitive = self._rules.sensitive or is_requested or is_half_typed or now < self._sensitive_until
        self._set_timer(now)
        if is_sensitive == self._is_sensitive:
            return []
        self._is_sensitive = is_sensitive
        return [SetSensitive(is_sensitive)]

    def open(self, now: float) -> list[Command]:
        """An assistant is ready: pass on the keys that were held, and from now on what comes."""
        self._has_assistant = True
        commands: list[Command] = []
        while self._held:
            commands += self.press(self._held.popleft(), now)
        return commands

    def close(self, now: float) -> list[Command]:
        """The assistant was lost, and its requests with it; the caller may not know that, and types all the same."""
        self._has_assistant = False
        if not self._requests:
            return []
        if any(request.sensitive for request in self._requests):
            self._sensitive_until = now + REQUESTED_S
        self._requests.clear()
        self._keypad.forget()
        return self.set_sensitive(now)

    def press(self, event: DigitPressed, now: float) -> list[Command]:
        """Pass on a key, and the entry if it is complete; hold the key while there is no assistant."""
        if not self._has_assistant:
            self._held.append(event)
            return []
        self.keys += 1
        typed: list[Command] = [] if self._is_sensitive else [TypeDigit(event.digit)]
        return typed + self._enter(self._keypad.press(event, now), now)

    def request(self, event: EntryRequested, now: float) -> list[Command]:
        """The assistant wants an entry. It waits for the ones before; one of the same `request_id` is replaced."""
        if not event.sensitive:
            self._sensitive_until = min(self._sensitive_until, now + self._rules.entry.quiet_s)
        request_ids = [request.request_id for request in self._requests]
        if event.request_id in request_ids:
            self._requests[request_ids.index(event.request_id)] = event
        elif len(request_ids) < MOST_REQUESTS:
            self._requests.append(event)
        else:
            return [EnterDigits("", request_id=event.request_id)]
        return self._gather(now) if self._requests[0] is event else []

    def fall_due(self, now: float, *, is_prompting: bool) -> list[Command]:
        """No further key came in time. `is_prompting`: the caller still hears what to type."""
        keypad = self._keypad
        if not self._has_assistant:
            self._timers.set(Timer.KEYPAD, now + LOOK_AGAIN_S)
            return []
        if is_prompting and keypad.is_empty:
            keypad.wait(now)
        if (due := keypad.deadline()) is None or now < due:
            return self.set_sensitive(now)
        return self._enter(keypad.end(now), now)

    def hang_up(self, now: float) -> list[Command]:
        """No further key can come: pass on the entry that was begun."""
        entry = self._keypad.hang_up(now) if self._has_assistant else None
        return [self._command(entry)] if entry is not None else []

    def _gather(self, now: float) -> list[Command]:
        request, usual = self._requests[0], self._rules.entry
        timeout_s = request.timeout_s if request.timeout_s is not None else usual.first_s
        rules = replace(
            usual,
            first_s=REQUESTED_S if timeout_s is None else timeout_s,
            most=usual.most if request.length is None else request.length,
            fewest=usual.fewest if request.length is None else min(usual.fewest, request.length),
            terminators=usual.terminators if request.terminator is None else request.terminator,
        )
        entry = self._keypad.ask(rules, now)
        return self.set_sensitive(now) + self._enter(entry, now)

    def _enter(self, entry: Entry | None, now: float) -> list[Command]:
        if entry is None:
            return self.set_sensitive(now)
        commands: list[Command] = [self._command(entry)]
        if self._is_sensitive and not entry.terminator:
            is_full = entry.reason is EntryEnd.FULL
            self._sensitive_until = now + (self._rules.entry.quiet_s if is_full else MORE_S)
        if self._requests:
            self._requests.popleft()
        if self._requests:
            return commands + self._gather(now)
        return commands + self.set_sensitive(now)

    def _command(self, entry: Entry) -> EnterDigits:
        request_id = self._requests[0].request_id if self._requests else ""
        placeholder = ""
        if self._is_sensitive and entry.digits:
            self._placeholders += 1
            placeholder = f"entry-{self._placeholders}"
        return EnterDigits(entry.digits, entry.reason, entry.terminator, request_id, placeholder)

    def _set_timer(self, now: float) -> None:
        """Before the first key, wake every `LOOK_AGAIN_S`: its time starts only when the prompt was played."""
        due = self._keypad.deadline()
        if due is None and now < self._sensitive_until:
            due = self._sensitive_until
        if due is None:
            self._timers.stop(Timer.KEYPAD)
        else:
            self._timers.set(Timer.KEYPAD, min(due, now + LOOK_AGAIN_S) if self._keypad.is_empty else due)
