"""What the carriers' dialects have in common."""
