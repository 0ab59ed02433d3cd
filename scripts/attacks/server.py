"""Starts `voicebridge serve` under attack, and reads what the system says of the process. Linux.

`faults`: see `faulty_server`. The log goes to a file, or with `stuck_log` into a pipe that nobody reads.
"""

import json
import os
import re
import signal
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from in_venv import PYTHON, ROOT

from attacks.target import Target

VOICEBRIDGE = str(ROOT / ".venv/bin/voicebridge")

AUTH_TOKEN = os.urandom(16).hex()
KEY = Ed25519PrivateKey.generate()
SEED = b64encode(KEY.private_bytes_raw()).decode()
PUBLIC_KEY = b64encode(KEY.public_key().public_bytes_raw()).decode()

START_S = 20.0
"""How long the server may take until it serves."""


class DidNotStart(Exception):
    """The server did not start; the text is the end of its log."""


@dataclass(frozen=True)
class ServerOptions:
    """How the server of a row is started. `settings`: more of the settings' file, with {port} for the assistants'."""

    settings: str = ""
    files: int = 4096
    """The limit of open files."""
    faults: tuple[str, ...] = ()
    stuck_log: bool = False
    arguments: tuple[str, ...] = ()
    """More of those of `serve`."""


@dataclass
class RunningServer:
    """One server process."""

    process: "subprocess.Popen[bytes]"
    target: Target
    log: Path

    def resident_mib(self) -> float:
        """0 after its end."""
        with suppress(OSError, TypeError):
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]
        return 0.0

    def unshared_mib(self) -> float:
        """What this process alone has in memory."""
        rollup = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return sum(int(size) for size in re.findall(r"Private_\w+:\s+(\d+)", rollup)) / 1024

    def threads(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    def tasks_and_objects(self, folder: Path) -> tuple[int, int]:
        """Of a server that was started with `counts`, in this folder."""
        told = folder / "counts"
        told.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR2)
        while not told.exists() or not (text := told.read_text()):
            time.sleep(0.05)
        tasks, objects = text.split()
        return int(tasks), int(objects)

    def descriptors(self) -> tuple[int, int]:
        """Open files and, of those, sockets."""
        found = []
        for path in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(OSError):
                found.append(os.readlink(path))
        return len(found), sum(name.startswith("socket:") for name in found)

    def cpu_s(self) -> float:
        """Used so far."""
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[0]) / 1e9

    def log_facts(self) -> dict[str, int]:
        """Lines, bytes and tracebacks of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return {"log_lines": text.count("\n"), "log_bytes": len(text), "tracebacks": text.count("Traceback")}


@contextmanager
def server(
    folder: Path, options: ServerOptions, *, assistant_port: int, seconds: float, realtime: bool
) -> Iterator[RunningServer]:
    """`voicebridge serve` on loopback, on a core of its own. At the end it gets SIGTERM, and is killed after 5 s."""
    settings, log = folder / "voicebridge.toml", folder / "server.log"
    settings.write_text(
        f'port = 0\nassistant = "echo"\n[twilio]\nauth_token = "{AUTH_TOKEN}"\n'
        f'[telnyx]\npublic_key = "{PUBLIC_KEY}"\n[journal]\ndirectory = "{folder}/journal"\n'
        + options.settings.replace("{port}", str(assistant_port)).replace("{folder}", str(folder))
    )
    command = (
        [VOICEBRIDGE]
        if not options.faults
        else [str(PYTHON), "-m", "attacks.faulty_server", *options.faults, "--"]
    )
    limited = ["prlimit", f"--nofile={options.files}:{options.files}", "taskset", "-c", str(cores()[0])]
    if realtime:
        limited += ["chrt", "--rr", "5"]
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("VOICEBRIDGE_", "TWILIO_", "TELNYX_"))
    }
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*limited, *command, "serve", "-c", str(settings), *options.arguments],
            stderr=subprocess.PIPE if options.stuck_log else file,
            env=environment | {"PYTHONPATH": str(ROOT / "scripts")},
            cwd=folder,
        )
    try:
        port = _port(process, log)
        target = Target(port, process.pid, AUTH_TOKEN, SEED, seconds, assistant_port)
        yield RunningServer(process, target, log)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stderr is not None:
            process.stderr.close()


def _port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    """The port of the line that says that it serves."""
    give_up = time.monotonic() + START_S
    while time.monotonic() < give_up and process.poll() is None:
        for line in [process.stderr.readline()] if process.stderr else log.read_bytes().splitlines():
            if b'"port"' in line:
                return int(json.loads(line)["port"])
        time.sleep(0.05)
    raise DidNotStart(log.read_text(errors="replace")[-500:].replace(f"{log.parent}/", ""))


def cores() -> list[int]:
    """Those of this machine that may be used: the first is the server's, the last that of all others."""
    return sorted(os.sched_getaffinity(0))
