"""Checks a user's assistant: plays scripted calls against it, as the bridge would, and reports what is wrong."""
