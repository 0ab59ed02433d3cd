"""Telnyx: media streams, webhooks, Call Control, settings. No socket, no clock."""
