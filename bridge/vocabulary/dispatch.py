"""Typed rows for tables that look a function up by the type of what came: `TABLE = dict([on(Kind, function), ...])`.

A table `dict[type[Word], Callable[[State, Any, float], Result]]` alone accepts any function in any row, because its
functions take different types. A row made here fails `mypy --strict` where the function does not take the row's type.
A function has to be a method or a `def`: mypy cannot infer the types of a lambda in such a list.
"""

from collections.abc import Callable
from typing import Any, TypeVar

K = TypeVar("K")
S = TypeVar("S")
R = TypeVar("R")


def on(kind: type[K], read: Callable[[S, K, float], R]) -> tuple[type[Any], Callable[[S, Any, float], R]]:
    """One row, for a function that takes its owner first: an unbound method, or a function beside the class.

    `read(owner, what came, now)`; `now` is seconds on the session's clock.
    """
    return kind, read


def on_bound(kind: type[K], read: Callable[[K, float], R]) -> tuple[type[Any], Callable[[Any, float], R]]:
    """One row, for a bound method: `read(what came, now)`."""
    return kind, read
