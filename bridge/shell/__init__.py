"""Sockets, HTTP, tasks and the clock."""
