"""Simulates the other ends of a call (phone, carriers, OpenAI, assistants), and checks assistants."""
