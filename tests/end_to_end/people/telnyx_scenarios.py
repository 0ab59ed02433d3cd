"""The handovers that are carried under Call Control: who is called, what they do, and what fails."""

from typing import Any

from tests.end_to_end.people.telnyx_calls import ACCEPTS, DECLINES, Scenario, says
from tests.end_to_end.people.telnyx_handed import ANN, ANSWER, BOB, NO, ON_HOLD, QUESTION, YES


def person(**more: Any) -> dict[str, Any]:
    return {"ann": {"to": ANN, "answers_after_s": 0.5, **more}}


TALK: dict[str, Any] = {"hangs_up_after_s": 3.0, "hangs_up_since": "joined"}
"""The person hangs up after the question and the answer."""
ANSWERS = says(ANSWER, 1.6, "joined")
WAITS: dict[str, Any] = {"hangs_up_after_s": 2.8, "hangs_up_since": "left"}
"""The caller hears the assistant once more."""
ASKS_QUESTION = says(QUESTION, 0.3, "joined")
WARM = {"how": "warm"}
SAYS_YES, SAYS_NO = says(YES, 3.0, "heard"), says(NO, 3.0, "heard")


def leaves(after_s: float) -> dict[str, Any]:
    """The caller hangs up so long after the first sound."""
    return {"hangs_up_after_s": after_s, "hangs_up_since": "heard"}


def dial(**faults: int) -> dict[str, Any]:
    return {"requests": ["dial"], **faults}


REACHED = leaves(9.0)
SCENARIOS = {
    "5xx": Scenario(people=person(), faults=dial(server_errors=99), caller=leaves(18.5)),
    "429": Scenario(people=person(), faults=dial(rate_limited=99), caller=leaves(18.5)),
    "no answer": Scenario(people=person(no_answer=True), person={"ring_s": 5}, caller=leaves(13)),
    "cold": Scenario(people=person(says=[ANSWERS], **TALK), caller={"says": [ASKS_QUESTION], **WAITS}),
    "busy": Scenario(people=person(busy=True), caller=REACHED),
    "machine": Scenario(
        people=person(machine=True, says=[says("please leave a message", 0.1)]), caller=leaves(10)
    ),
    "rejected": Scenario(people=person(refused=True), caller=REACHED),
    "4xx": Scenario(people=person(), faults=dial(refused=99), caller=REACHED),
    "silent": Scenario(people=person(busy=True), faults=dial(silent=99), caller=REACHED),
    "bridge refused": Scenario(
        people=person(), faults={"requests": ["bridge"], "refused": 99}, caller=REACHED
    ),
    "silent once": Scenario(
        people=person(says=[ANSWERS], **TALK),
        faults={"requests": ["dial", "streaming_stop", "bridge"], "silent": 1},
        caller={"says": [ASKS_QUESTION], **WAITS},
    ),
    "fails once": Scenario(
        people=person(says=[SAYS_YES, ANSWERS], **TALK),
        person=WARM,
        faults={"server_errors": 1},
        replies=(ACCEPTS,),
        caller={"says": [ASKS_QUESTION], **WAITS},
    ),
    "limited once": Scenario(
        people=person(says=[ANSWERS], **TALK),
        faults={"rate_limited": 1},
        caller={"says": [ASKS_QUESTION], **WAITS},
    ),
    "cannot stop": Scenario(
        people=person(says=[ANSWERS], **TALK),
        faults={"requests": ["streaming_stop"], "refused": 99},
        caller={"says": [ASKS_QUESTION], **WAITS},
    ),
    "together": Scenario(
        people=person(**TALK) | {"bob": {"to": BOB, "answers_after_s": 3.0}},
        person={"to": [[ANN, BOB]]},
        caller=WAITS,
    ),
    "at once": Scenario(
        people=person(**TALK) | {"bob": {"to": BOB, "answers_after_s": 0.5, **TALK}},
        person={"to": [[ANN, BOB]]},
        caller=WAITS,
    ),
    "in turn": Scenario(
        people=person(busy=True) | {"bob": {"to": BOB, "says": [ANSWERS], **TALK}},
        person={"to": [ANN, BOB]},
        caller=WAITS,
    ),
    "no detection": Scenario(
        people=person(says=[ANSWERS], **TALK), telnyx={"detect_machines_of_people": False}, caller=WAITS
    ),
    "gone while it rings": Scenario(people=person(no_answer=True), caller=leaves(6)),
    "gone while joined": Scenario(
        people=person(), caller={"hangs_up_after_s": 1.5, "hangs_up_since": "joined"}
    ),
    "gone while briefing": Scenario(people=person(), person=WARM, caller=leaves(9)),
    "warm": Scenario(
        people=person(says=[SAYS_YES, ANSWERS], **TALK),
        person=WARM,
        replies=(ACCEPTS,),
        caller={"says": [says(ON_HOLD, 5.2, "heard"), ASKS_QUESTION], **WAITS},
    ),
    "declined": Scenario(
        people=person(says=[SAYS_NO]), person=WARM, replies=(DECLINES,), caller=leaves(13.5)
    ),
    "key 1": Scenario(
        people=person(presses=[{"at_s": 2.6, "since": "heard", "keys": "1"}], says=[ANSWERS], **TALK),
        person=WARM | {"accept": "key"},
        caller={"says": [ASKS_QUESTION], **WAITS},
    ),
    "key 2": Scenario(
        people=person(presses=[{"at_s": 2.6, "since": "heard", "keys": "2"}]),
        person=WARM | {"accept": "key"},
        caller=leaves(12),
    ),
    "hangs up on the briefing": Scenario(
        people=person(hangs_up_after_s=2.0), person=WARM, caller=leaves(10.5)
    ),
    "message": Scenario(
        people=person(busy=True),
        person={"nobody": "message", "message_s": 5},
        caller={"says": [says(ON_HOLD, 6.4, "heard")], **leaves(8.5)},
    ),
    "server stops": Scenario(
        people=person(says=[says(ANSWER, 3.0, "joined")]),
        caller={"hangs_up_after_s": 5.0, "hangs_up_since": "joined"},
        stops_after=lambda log: any(line.get("name") == "call.machine.detection.ended" for line in log.lines),
    ),
}
