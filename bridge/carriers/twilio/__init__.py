"""Twilio: media streams, webhooks, REST API, settings. No socket, no clock."""
