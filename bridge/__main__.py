"""`python -m bridge` is `voicebridge`."""

from bridge.cli.app import main

main()
