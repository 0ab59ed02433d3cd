"""What the caller types, on its way to the assistant: each key, and each entry; asked for or not, sensitive or open.

While nobody listens it is held. A sensitive entry's keys are not told one by one, and the entry has a name, by which all
but tools know it. No clock: `now` is seconds; what falls due is in the call's `timers`.
"""

from collections import deque
from dataclasses import dataclass, field, replace

from bridge.core.keypad import Entry, EntryRules, Keypad
from bridge.core.timers import Timer, Timers
from bridge.vocabulary.commands import Command, EnterDigits, SetSensitive, TypeDigit
from bridge.vocabulary.events import DigitPressed, EntryEnd, EntryRequested

HELD_KEYS = 32
"""Kept while the assistant opens; the oldest go."""

ASKED_S = 15.0
"""For the first key of an entry that was asked for without a time: it must come to an end."""

MOST_WISHES = 16
"""That wait for their entry; one more is answered at once, with nothing."""

MORE_S = 5.0
"""After a sensitive entry that ended for want of keys, what comes is sensitive as well: it may be the rest of it."""

LOOK_AGAIN_S = 0.5
"""While there is nobody to be told, or the caller still hears what to type."""


@dataclass(frozen=True, slots=True)
class KeypadRules:
    """How the caller's keys are taken."""

    entry: EntryRules = field(default_factory=EntryRules)
    sensitive: bool = False
    """All entries are sensitive."""
    interrupts: bool = True
    """The first key of an entry stops what is played, with an assistant that takes entries for utterances."""
    mute_s: float = 0.15
    """So long after a key the assistant hears silence: tones may leak into the caller's audio. 0: it hears them."""
    in_band: bool = False
    """Keys are also heard as tones in the caller's audio, for carriers that do not tell them."""


class Entries:
    """One call's."""

    def __init__(self, rules: KeypadRules, timers: Timers) -> None:
        self._rules = rules
        self._timers = timers
        self._keypad = Keypad(rules.entry)
        self._held: deque[DigitPressed] = deque(maxlen=HELD_KEYS)
        self._listened_to = False
        self._asked: deque[EntryRequested] = deque()  # the first of them is being gathered
        self._sensitive = False
        self._sensitive_until = 0.0  # what comes behind a sensitive entry, or a wish for one, is as private
        self._entries_sealed = 0
        self.keys = 0
        """Pressed so far, while somebody listened."""

    @property
    def begins(self) -> bool:
        """Whether the next key is an entry's first."""
        return self._keypad.is_empty

    @property
    def is_gathering(self) -> bool:
        """Whether an entry is begun, or asked for."""
        return bool(self._asked) or not self._keypad.is_empty

    def set_sensitive(self, now: float) -> list[Command]:
        """Seal what is typed from now on, or no longer; and see to it that what falls due is looked at."""
        half_typed = self._sensitive and not self._keypad.is_empty
        asked = bool(self._asked) and self._asked[0].sensitive
        sensitive = self._rules.sensitive or asked or half_typed or now < self._sensitive_until
        self._follow(now)
        if sensitive == self._sensitive:
            return []
        self._sensitive = sensitive
        return [SetSensitive(sensitive)]

    def listen(self, now: float) -> list[Command]:
        """The assistant is ready: what was held, and from now on what comes."""
        self._listened_to = True
        commands: list[Command] = []
        while self._held:
            commands += self.press(self._held.popleft(), now)
        return commands

    def unheard(self, now: float) -> list[Command]:
        """The assistant was lost, and with it its wishes; the caller, who may not know that, types all the same."""
        self._listened_to = False
        if not self._asked:
            return []
        if any(asked.sensitive for asked in self._asked):
            self._sensitive_until = now + ASKED_S
        self._asked.clear()
        self._keypad.forget()
        return self.set_sensitive(now)

    def press(self, event: DigitPressed, now: float) -> list[Command]:
        """A key, and the entry if that ended it. While nobody listens it is held."""
        if not self._listened_to:
            self._held.append(event)
            return []
        self.keys += 1
        told: list[Command] = [] if self._sensitive else [TypeDigit(event.digit)]
        return told + self._entered(self._keypad.press(event, now), now)

    def ask(self, event: EntryRequested, now: float) -> list[Command]:
        """The assistant wants an entry; one wish waits for the one before, and takes the place of its namesake."""
        if not event.sensitive:
            self._sensitive_until = min(self._sensitive_until, now + self._rules.entry.quiet_s)
        calls = [asked.request_id for asked in self._asked]
        if event.request_id in calls:
            self._asked[calls.index(event.request_id)] = event
        elif len(calls) < MOST_WISHES:
            self._asked.append(event)
        else:
            return [EnterDigits("", request_id=event.request_id)]
        return self._gather(now) if self._asked[0] is event else []

    def fall_due(self, now: float, *, speaking: bool) -> list[Command]:
        """No further key came. `speaking`: the caller still hears what to type."""
        keypad = self._keypad
        if not self._listened_to:
            self._timers.set(Timer.KEYPAD, now + LOOK_AGAIN_S)
            return []
        if speaking and keypad.is_empty:
            keypad.wait(now)
        if (due := keypad.deadline()) is None or now < due:
            return self.set_sensitive(now)
        return self._entered(keypad.end(now), now)

    def hang_up(self, now: float) -> list[Command]:
        """No further key can come."""
        entry = self._keypad.hang_up(now) if self._listened_to else None
        return [self._told(entry)] if entry is not None else []

    def _gather(self, now: float) -> list[Command]:
        asked, usual = self._asked[0], self._rules.entry
        timeout_s = asked.timeout_s if asked.timeout_s is not None else usual.first_s
        rules = replace(
            usual,
            first_s=ASKED_S if timeout_s is None else timeout_s,
            most=usual.most if asked.length is None else asked.length,
            fewest=usual.fewest if asked.length is None else min(usual.fewest, asked.length),
            terminators=usual.terminators if asked.terminator is None else asked.terminator,
        )
        entry = self._keypad.ask(rules, now)
        return self.set_sensitive(now) + self._entered(entry, now)

    def _entered(self, entry: Entry | None, now: float) -> list[Command]:
        if entry is None:
            return self.set_sensitive(now)
        commands: list[Command] = [self._told(entry)]
        if self._sensitive and not entry.terminator:
            is_full = entry.reason is EntryEnd.FULL
            self._sensitive_until = now + (self._rules.entry.quiet_s if is_full else MORE_S)
        if self._asked:
            self._asked.popleft()
        if self._asked:
            return commands + self._gather(now)
        return commands + self.set_sensitive(now)

    def _told(self, entry: Entry) -> EnterDigits:
        asked = self._asked[0].request_id if self._asked else ""
        sensitive = ""
        if self._sensitive and entry.digits:
            self._entries_sealed += 1
            sensitive = f"entry-{self._entries_sealed}"
        return EnterDigits(entry.digits, entry.reason, entry.terminator, asked, sensitive)

    def _follow(self, now: float) -> None:
        """While the first key is waited for, it is looked whether the caller still hears what to type."""
        due = self._keypad.deadline()
        if due is None and now < self._sensitive_until:
            due = self._sensitive_until
        if due is None:
            self._timers.stop(Timer.KEYPAD)
        else:
            self._timers.set(Timer.KEYPAD, min(due, now + LOOK_AGAIN_S) if self._keypad.is_empty else due)
