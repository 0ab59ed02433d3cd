"""A pretend Telnyx: its REST API, its webhooks and its calls, for tests and for the pretend phone."""
