"""A pretend Twilio: its REST API for calls, its callbacks and its calls, for tests and for the pretend phone."""
