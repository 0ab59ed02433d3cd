"""Rows of dispatch tables: mypy accepts a function that takes the row's type, and no other."""

from collections.abc import Callable
from typing import Any

from bridge.vocabulary.dispatch import on, on_bound
from bridge.vocabulary.events import CallEnded, DigitPressed, MarkReached, TimePassed, Word


class Reader:
    def __init__(self, name: str) -> None:
        self.name = name

    def digit(self, event: DigitPressed, now: float) -> list[str]:
        return [f"{self.name}: {event.digit} at {now:g} s"]

    def anything(self, event: Word, _now: float) -> list[str]:
        return [f"{self.name}: {type(event).__name__}"]


def time_passed(reader: Reader, _event: TimePassed, now: float) -> list[str]:
    return [f"{reader.name}: {now:g} s"]


READS: dict[type[Word], Callable[[Reader, Any, float], list[str]]] = dict(
    [
        on(DigitPressed, Reader.digit),
        on(CallEnded, Reader.anything),
        on(TimePassed, time_passed),
    ]
)


def test_a_row_finds_its_function() -> None:
    reader = Reader("one")
    assert READS[DigitPressed](reader, DigitPressed("5"), 1.5) == ["one: 5 at 1.5 s"]
    assert READS[CallEnded](reader, CallEnded(), 2.0) == ["one: CallEnded"]
    assert READS[TimePassed](reader, TimePassed(), 2.5) == ["one: 2.5 s"]


def test_a_row_of_bound_methods_finds_its_function() -> None:
    reader = Reader("two")
    reads: dict[type[Word], Callable[[Any, float], list[str]]] = dict(
        [on_bound(DigitPressed, reader.digit), on_bound(CallEnded, reader.anything)]
    )
    assert reads[DigitPressed](DigitPressed("5"), 1.5) == ["two: 5 at 1.5 s"]
    assert reads[CallEnded](CallEnded(), 2.0) == ["two: CallEnded"]


def test_mypy_refuses_a_wrong_row() -> None:
    """mypy checks this file too: strict has `warn_unused_ignores`, so a row below that it accepts is an error."""
    reader = Reader("three")
    on(MarkReached, Reader.digit)  # type: ignore[arg-type]
    on_bound(MarkReached, reader.digit)  # type: ignore[arg-type]
    on(Word, Reader.digit)  # type: ignore[arg-type]  # not every word is a digit
