"""A fake assistant of the turn-based contract: for tests, and to read by whoever writes a real one. It has faults."""
