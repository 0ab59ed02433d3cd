"""Examines a server and all that is around it, for `voicebridge doctor`."""
