"""The simulated assistant of the turn-based protocol, with faults: for tests, and as an example of a real one."""
