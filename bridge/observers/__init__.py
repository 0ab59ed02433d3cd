"""Observers see the events and commands of a call: journal, recording, usage, health, log."""
