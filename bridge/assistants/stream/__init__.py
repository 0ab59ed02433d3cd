"""Our own small protocol for assistants that people write themselves, over a WebSocket: docs/stream-assistants.md."""
