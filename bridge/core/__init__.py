"""The call as a state machine: events and the time in, commands out. No socket, no clock, no environment."""
