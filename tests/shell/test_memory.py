"""What the collector is told. The figures are in docs/reliability.md."""

import gc
from collections.abc import Iterator

import pytest

from bridge.shell.memory import OLD_ROUNDS, YOUNG_OBJECTS, YOUNG_ROUNDS, limit_malloc, settle


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_what_is_loaded_is_not_looked_at_again_and_all_the_rest_rarely() -> None:
    kept = [[] for _ in range(1_000)]  # type: ignore[var-annotated]
    settle()
    assert gc.get_freeze_count() > len(kept)
    assert gc.get_threshold() == (YOUNG_OBJECTS, YOUNG_ROUNDS, OLD_ROUNDS)
    assert gc.isenabled()


def test_a_system_without_this_c_library_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        """A C library that has no `mallopt`."""

        def __init__(self, name: None) -> None:
            pass

    monkeypatch.setattr("ctypes.CDLL", Other)
    limit_malloc()
