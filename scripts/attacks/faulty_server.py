"""Runs `voicebridge` in a process whose disk or name server is slow, or that counts: `faulty_server FAULT… -- ARGUMENTS`.

`slow-disk`: each write to a file of a call takes 50 ms. `slow-names`: the address of any name under `slow.test` takes
10 s. `counts`: with SIGUSR2 the number of tasks and of objects is written to the file `counts` in the working directory.
The product's own code is not changed: what it calls is.
"""

import asyncio
import gc
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO, cast

WRITE_S, LOOKUP_S = 0.05, 10.0


class SlowFile:
    """A file whose every write takes `WRITE_S`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, content: bytes) -> int:
        time.sleep(WRITE_S)
        return self._file.write(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def slow_disk() -> None:
    """Slow down what opens the files of calls."""
    from bridge.observers import call_file

    opened = call_file.open_owned

    def open_slowly(path: Path) -> BinaryIO:
        return cast(BinaryIO, SlowFile(opened(path)))

    call_file.open_owned = open_slowly


def slow_names() -> None:
    """Slow down some look-ups."""
    found = socket.getaddrinfo

    def find_slowly(host: Any, port: Any, *arguments: int, **named: int) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name and name.endswith("slow.test") and not named.get("flags", 0) & socket.AI_NUMERICHOST:
            time.sleep(LOOKUP_S)
            raise socket.gaierror(socket.EAI_AGAIN, "the name server did not answer")
        return found(host, port, *arguments, **named)

    socket.getaddrinfo = find_slowly


def counts() -> None:
    """Have SIGUSR2 write what cannot be seen from outside."""

    def write(*_: object) -> None:
        gc.collect()
        Path("counts").write_text(f"{len(asyncio.all_tasks())} {len(gc.get_objects())}")

    signal.signal(signal.SIGUSR2, write)


FAULTS = {"slow-disk": slow_disk, "slow-names": slow_names, "counts": counts}


def main() -> None:
    """Switch the faults on, then do what `voicebridge` does."""
    at = sys.argv.index("--")
    for fault in sys.argv[1:at]:
        FAULTS[fault]()
    sys.argv = ["voicebridge", *sys.argv[at + 1 :]]
    from bridge.__main__ import main as voicebridge

    voicebridge()


if __name__ == "__main__":
    main()
