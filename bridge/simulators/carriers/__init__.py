"""Simulated carriers: their media streams, webhooks and REST APIs."""
