"""The calls under way, as somebody who watches sees them: a view of each call, its words, and the levels of both voices."""
