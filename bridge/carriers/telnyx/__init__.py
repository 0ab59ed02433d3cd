"""Telnyx: its media streams, its webhooks and Call Control. No socket, no clock."""
