"""The vocabulary that all folders share: events, commands, contracts and errors."""
