"""The live page: its files, who may see them, and the history of a call as JSON."""
