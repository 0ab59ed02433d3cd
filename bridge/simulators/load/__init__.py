"""Loads a server with many simulated calls at once, and measures what their callers hear."""
