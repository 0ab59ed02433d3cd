"""Telephone audio: formats, G.711, rates, framing, order, tones, level and speech.

No module here uses a socket, a clock or a carrier: time is counted in samples, or in the milliseconds that the sender
stamped on its frames. `format` defines what the other modules share.
"""
