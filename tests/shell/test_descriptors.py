"""The count of free file descriptors."""

import os
import resource
from math import inf

import pytest

from bridge.shell import descriptors
from bridge.shell.descriptors import COUNT_AGAIN_S, Descriptors


def test_what_is_opened_is_counted_a_moment_later() -> None:
    counted = Descriptors()
    before = counted.free(0.0)
    assert 0 < before < resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    opened = [os.dup(0) for _ in range(10)]
    try:
        assert counted.free(COUNT_AGAIN_S / 2) == before, "the count is not made for each call"
        assert counted.free(COUNT_AGAIN_S) == before - 10
    finally:
        for descriptor in opened:
            os.close(descriptor)


def test_a_kernel_that_keeps_no_count_is_counted_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = descriptors.open_descriptors()
    real = os.stat(descriptors.OPEN_FILES)
    monkeypatch.setattr(os, "stat", lambda _: os.stat_result((*real[:6], 0, *real[7:])))
    assert abs(descriptors.open_descriptors() - expected) <= 1  # the folder itself is open meanwhile


def test_where_nothing_can_be_known_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "OPEN_FILES", "/nowhere")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert Descriptors().free(0.0) == inf
