"""Twilio: its media streams, its webhooks, its REST API. No socket, no clock."""
