"""The simulated OpenAI Realtime server, which follows a script with faults: for tests, for load, and without a key."""
