"""`python -m bridge` is `voicebridge`."""

from bridge.cli.commands import main

main()
