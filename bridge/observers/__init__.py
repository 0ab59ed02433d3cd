"""Observers see every event and command of a call: journal, recording, usage, log."""
