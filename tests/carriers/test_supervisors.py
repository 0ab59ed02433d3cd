"""The legs of the supervisors of one call: how long they are known."""

from bridge.carriers.shared.supervisors import MOST, Supervisors
from bridge.vocabulary.supervision import CallSupervisor


def test_the_legs_of_those_who_were_called_long_ago_are_forgotten() -> None:
    one = Supervisors(lambda _leg: None, lambda _event: None, lambda _legs, _leg: None)
    one.begin(CallSupervisor("boss", ("+15550132",), "ours", 20.0), ["there"], 0.0)
    for at in range(MOST + 50):
        one.begin(CallSupervisor("desk", ("+15550130",), "ours", 20.0), [f"h{at}"], float(at))
    known = [at for at in range(MOST + 50) if one.find(f"h{at}") is not None]
    assert known == list(range(50, MOST + 50))
    assert one.find("there") is not None, "whoever is called still, or there, is not"
