"""`serve --workers 2` with calls on the line: a worker is killed, all are replaced, the server stops."""

import json
import os
import re
import signal
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from websockets.sync.client import connect

from bridge.shell.tokens import owner_of
from tests.cli.test_signals import ECHO, FILE, OPEN, PARROT, READS_ALL, Call, Process, calling, serving

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/self/smaps_rollup"), reason="worker processes need Linux"
)

WORKERS = "workers = 2\n"
QUIET = "[limits]\nsilent_s = 60.0\n"
"""For callers who say nothing for a while."""


def posted(server: Process, path: str, **form: str) -> str:
    data = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", data) as answer:
        return str(answer.read().decode())


class Announced(Call):
    """A caller whose call a webhook has announced. `owner`: the worker that has it, as its token says."""

    owner = ""


@contextmanager
def announced(server: Process, call_id: str) -> Iterator[Announced]:
    twiml = posted(server, "/twilio/voice", CallSid=call_id, CallStatus="ringing")
    found = re.search(r'url="([^"]+)"', twiml)
    assert found is not None, twiml
    with connect(found[1], max_queue=READS_ALL) as media:
        call = Announced(media, call_id)
        call.owner = owner_of(found[1].rpartition("/")[2])
        yield call


def state(server: Process) -> dict[str, object]:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/healthz") as answer:
        return dict(json.load(answer))


def test_a_worker_that_is_killed_loses_its_own_calls_alone(tmp_path: Path) -> None:
    with serving(tmp_path, WORKERS + ECHO + QUIET) as server, ExitStack() as ending:
        pids = {
            event["worker"]: event["pid"]
            for event in server.events
            if event["event"] == "= a worker is ready"
        }
        assert len(set(pids.values())) == 2
        calls = [ending.enter_context(announced(server, f"CA{number}")) for number in range(4)]
        owners = [call.owner for call in calls]
        assert sorted(owners.count(owner) for owner in set(owners)) == [2, 2]
        assert all(call.echoes() for call in calls)
        assert state(server) == {"status": "ok", "calls": 4, "workers": {"ready": 2, "total": 2}}

        # a webhook of a call reaches the worker that has it, whichever worker's turn it is
        for call_id in ("CA3", "CA2"):
            posted(server, "/twilio/status", CallSid=call_id, CallStatus="completed")
        for call in calls[2:]:
            assert call.closed() == 1000

        os.kill(pids[1], signal.SIGKILL)
        died = server.until("= a worker has died")
        assert (died["worker"], died["status"], died["calls"]) == (1, "signal 9 (SIGKILL)", 1)
        assert died["restarts_in_s"] == 1.0
        with announced(server, "CA9") as new:
            survivor = next(call for call in calls[:2] if call.owner == new.owner)
            (lost,) = (call for call in calls[:2] if call.owner != new.owner)
            assert lost.closed() == 1006
            assert new.echoes()
            assert survivor.echoes()
        server.until("= a worker is ready")
        assert state(server)["workers"] == {"ready": 2, "total": 2}
        with announced(server, "CA10") as there:
            assert there.owner not in owners
            assert there.echoes()
        assert survivor.echoes()


def test_workers_are_replaced_and_stop_without_a_call_noticing(tmp_path: Path) -> None:
    with serving(tmp_path, WORKERS + ECHO) as server:
        with announced(server, "CA1") as old:
            assert old.echoes()
            (tmp_path / FILE).write_text('assistant = "nobody"\n' + WORKERS + OPEN)
            server.signal(signal.SIGHUP)
            (fault,) = server.until("= not reloaded")["faults"]
            assert FILE in fault
            (tmp_path / FILE).write_text("workers = 3\n" + PARROT)
            server.signal(signal.SIGHUP)
            assert server.until("= these settings need a restart")["settings"] == ["workers"]
            assert server.until("= replaced")["workers"] == 2
            assert old.echoes()
            with calling(server, "CA2") as new:
                new.hear(6400)  # the parrot's chime
            assert state(server)["workers"] == {"ready": 2, "total": 2}

            server.signal(signal.SIGTERM)
            server.until("= stopping")
            assert server.ready() == 503
            assert old.echoes()
            posted(server, "/twilio/status", CallSid="CA1", CallStatus="in-progress")
            server.signal(signal.SIGTERM)
            assert old.closed() == 1001
        assert server.ended() == 0
        assert not [event for event in server.events if event["event"] == "= a worker has died"]


def test_without_its_supervisor_a_worker_ends_with_its_last_call(tmp_path: Path) -> None:
    with serving(tmp_path, WORKERS + ECHO) as server, announced(server, "CA1") as call:
        server.signal(signal.SIGKILL)
        server.until("= the supervisor has ended")
        assert call.echoes()
        call.hang_up()
        call.closed()
        server.ended()  # the log is closed: no process is left
