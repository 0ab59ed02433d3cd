"""A fake OpenAI Realtime server: for tests, for load, and for whoever has no key. It speaks by a script, with faults."""
