"""The limits of a server with workers hold for the whole of it: what each worker takes of them."""

import pytest

from bridge.config.settings import Settings
from bridge.shell.admission import Admission
from bridge.shell.supervisor.worker import with_share
from bridge.shell.switchboard import Switchboard


@pytest.mark.parametrize(("most", "workers"), [(10, 4), (4, 4), (7, 3), (100, 1)])
def test_the_calls_of_a_second_are_shared_out(most: int, workers: int) -> None:
    settings = Settings.model_validate({"workers": workers, "limits": {"max_calls_per_s": most}})
    shares = [with_share(settings, place).limits.max_calls_per_s or 0 for place in range(workers)]
    assert sum(shares) == most
    assert max(shares) - min(shares) <= 1


def test_without_a_limit_there_is_nothing_to_share() -> None:
    settings = Settings.model_validate({"workers": 4})
    assert with_share(settings, 1) is settings


async def test_calls_in_other_workers_count() -> None:
    settings = Settings.model_validate({"limits": {"max_calls": 3}})
    admission = Admission(settings, Switchboard(settings))
    try:
        admission.calls_elsewhere = 2
        assert admission.why_refused("twilio", "CA1") == ""
        assert admission.why_refused("twilio", "CA2") == "there are 3 calls, and limits.max_calls is 3"
        admission.calls_elsewhere = 0
        assert admission.why_refused("twilio", "CA2") == ""
    finally:
        await admission.setups.aclose()
