"""Replays of traces: without a server, and against one."""
