"""`python -m bridge` is `voicebridge`."""

from bridge.cli import main

main()
