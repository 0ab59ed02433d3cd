"""The parts of scripts/attack: the server under attack, the good calls beside it, and the rows of attacks in groups."""
