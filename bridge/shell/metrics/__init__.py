"""Serves the figures of a server: of one process, or of all its workers together."""
