"""What the carriers have in common: contracts of webhooks, REST requests and their repeats, unreadable messages."""
