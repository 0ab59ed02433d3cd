"""`python -m bridge` is `voicebridge`: both begin here, before anything is imported that takes time."""

import gc
import signal


def main() -> None:
    """The entry point. Ctrl-C during the start ends the process without a traceback, as it ends any other program.

    The garbage collector begins with the command: what is imported stays, and looking at it takes a tenth of the start.
    """
    gc.disable()
    if (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):  # it may be ignored, as in the background
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from bridge.cli.app import main

    main()


if __name__ == "__main__":
    main()
