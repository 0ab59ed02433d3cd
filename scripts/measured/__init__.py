"""What the commands that measure have in common: the barest relay, and servers and phones in processes of their own."""
