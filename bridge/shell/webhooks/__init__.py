"""The carriers' HTTP side: a room for each carrier's webhooks, and the reading of a body in time."""
