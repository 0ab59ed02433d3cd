"""The words that every room shares: events, commands, contracts and errors."""
