"""The simulated Twilio: media streams, voice webhooks, callbacks, and its REST API for calls."""
