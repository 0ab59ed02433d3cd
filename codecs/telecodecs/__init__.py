"""Telephone audio: formats, G.711, rates, framing, order, tones, level and speech.

Numbers in, numbers out. Nothing here has_assistant a socket, a clock or a carrier: time is counted in samples, or in
the milliseconds that the sender stamped on its frames. `format` holds the words that the modules share.
"""
