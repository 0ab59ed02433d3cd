"""Checks an assistant that a user wrote: plays scripted calls against it, as the bridge would, and says what is wrong."""
