"""The trace of a call: its words become spans. How these are sent is in `shell.tracing`."""
