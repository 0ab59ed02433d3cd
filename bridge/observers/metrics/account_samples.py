"""The samples of a turn that is over; and of a call that is: what was counted by frames, marks and pieces of replies."""

from bridge.observers.metrics.families import Metrics
from bridge.vocabulary.contracts import Account, Turn

SILENCE_S = 2.0
"""A longer wait for a reply is dead air."""

BAD_FRAMES = {
    "late": "late",
    "repeated": "repeated",
    "holes": "missing",
    "undecodable": "undecodable",
    "dropped_while_opening": "no_assistant",
    "not_sent_to_assistant": "assistant_slow",
}
"""The counts of an account that are frames, and the label that each of them gets."""

DROPPED_REPLIES = {"late_replies": "late", "too_long_replies": "too_long"}


def observe(metrics: Metrics, carrier: str, assistant: str, account: Account) -> None:
    """Take those of a call. `assistant`: who had the call last."""
    counts = account.counts
    for outcome, count in (("interrupted", "barge_ins"), ("dismissed", "speech_dismissed")):
        if counts.get(count):
            metrics.barge_ins.labels(assistant, outcome).inc(counts[count])
    for count, problem in BAD_FRAMES.items():
        if counts.get(count):
            metrics.bad_frames.labels(carrier, problem).inc(counts[count])
    for count, problem in DROPPED_REPLIES.items():
        if counts.get(count):
            metrics.dropped_replies.labels(carrier, problem).inc(counts[count])
    for total, count, unit in (
        (metrics.filled_audio, "filled_ms", 1000),
        (metrics.stray_marks, "stray_marks", 1),
        (metrics.messages_ignored, "ignored", 1),
        (metrics.stream_drops, "stream_drops", 1),
    ):
        if counts.get(count):
            total.labels(carrier).inc(counts[count] / unit)
    if counts.get("round_trip_ms"):
        metrics.round_trip.labels(carrier).observe(counts["round_trip_ms"] / 1000)
    metrics.caller_audio.labels(carrier).inc(account.caller_s)
    metrics.assistant_audio.labels(assistant).inc(account.assistant_s)


def observe_turn(metrics: Metrics, assistant: str, turn: Turn) -> None:
    """Take those of a turn. `assistant`: who had the call when it began."""
    proof = "unproved" if turn.play_ms is None else "heard"
    outcome = "unanswered" if turn.send_ms is None else proof
    metrics.turns.labels(assistant, outcome).inc()
    if turn.pause_ms is None:  # when the speech ended is not known
        return
    waited_ms = turn.pause_ms
    for part_ms, histogram in (
        (turn.reply_ms, metrics.turn_reply),
        (turn.send_ms, metrics.turn_sent),
        (turn.play_ms, metrics.turn_heard),
    ):
        if part_ms is None:
            return
        waited_ms += part_ms
        histogram.labels(assistant).observe(waited_ms / 1000)
    if waited_ms > SILENCE_S * 1000:
        metrics.silence.labels(assistant).observe(waited_ms / 1000)
