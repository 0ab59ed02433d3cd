"""Assistants that take turns with the caller: over a WebSocket with two signal words, or with one HTTP POST a turn."""
