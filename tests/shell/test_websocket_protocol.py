"""The canary: picows's protocol class, which bridge/shell/websocket_protocol.py calls and picows does not promise.

It is compiled and tells no signature, but picows ships its source. A new minor release of picows is let in by
pyproject.toml only after these tests agree with it.
"""

import ast
import inspect
import re
from importlib import resources
from importlib.metadata import version
from pathlib import Path

import picows
import pytest
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # as in bridge/shell/websocket_protocol.py

from bridge.shell import websocket_protocol

PICOWS = version("picows")

ARGUMENTS = [
    "host_port",
    "ws_path",
    "is_client_side",
    "ws_listener_factory",
    "logger",
    "disconnect_on_exception",
    "websocket_handshake_timeout",
    "enable_auto_ping",
    "auto_ping_idle_timeout",
    "auto_ping_reply_timeout",
    "auto_ping_strategy",
    "enable_auto_pong",
    "max_frame_size",
    "extra_headers",
    "read_buffer_init_size",
]
"""In the order in which `websocket_protocol._protocol` gives them."""

USED = {
    WSProtocol: ("transport", "listener", "wait_until_handshake_complete"),
    picows.WSListener: (
        "is_user_specific_pong",
        "on_ws_connected",
        "on_ws_disconnected",
        "on_ws_frame",
        "pause_writing",
        "resume_writing",
        "send_user_specific_ping",
    ),
    picows.WSTransport: (
        "close_handshake",
        "disconnect",
        "is_close_frame_sent",
        "is_disconnected",
        "notify_user_specific_pong_received",
        "send",
        "send_close",
        "send_ping",
        "send_pong",
        "underlying_transport",
        "wait_disconnected",
    ),
    picows.WSFrame: (
        "fin",
        "get_payload_as_bytes",
        "get_payload_as_utf8_text",
        "msg_type",
        "payload_size",
        "rsv1",
        "rsv2",
        "rsv3",
    ),
}


def declared_arguments(source: str) -> list[str]:
    """The names that `WSProtocol.__init__` is declared with, without their C types."""
    begun = re.search(
        r"^cdef class WSProtocol\(.*?^    def __init__\(self,(.*?)\):$", source, re.DOTALL | re.MULTILINE
    )
    assert begun is not None, "picows.pyx no longer declares WSProtocol.__init__(self, ...)"
    return [argument.split("=")[0].split()[-1] for argument in begun[1].split(",")]


def arguments_given() -> int:
    """How many `websocket_protocol._protocol` gives; `pings` stands for two."""
    (call,) = (
        node
        for node in ast.walk(ast.parse(inspect.getsource(websocket_protocol)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "TurnsProtocol"
    )
    assert not call.keywords
    starred = sum(isinstance(argument, ast.Starred) for argument in call.args)
    assert starred == 1
    return len(call.args) + starred


def test_the_protocol_is_declared_as_it_is_called() -> None:
    declared = declared_arguments((resources.files(picows) / "picows.pyx").read_text(encoding="utf-8"))
    assert declared == ARGUMENTS, (
        f"picows {PICOWS}: WSProtocol takes {declared}, but bridge/shell/websocket_protocol.py gives {ARGUMENTS}"
    )
    assert arguments_given() == len(ARGUMENTS)


async def test_the_compiled_class_takes_so_many_arguments_and_no_other_number() -> None:
    arguments = network_arguments()
    assert WSProtocol(*arguments).transport is None
    for wrong in (arguments[:-1], [*arguments, None]):
        with pytest.raises(TypeError, match=str(len(ARGUMENTS))):
            WSProtocol(*wrong)


def network_arguments() -> list[object]:
    """Such as `websocket_protocol.server_protocol` gives."""
    strategy = picows.WSAutoPingStrategy.PING_WHEN_IDLE
    head = [None, None, False, lambda _: None, websocket_protocol.PICOWS_LOG, True, None]
    return [*head, False, 1.0, 1.0, strategy, False, 65_536, None, 4_096]


@pytest.mark.parametrize("kind", USED, ids=lambda kind: kind.__name__)
def test_what_is_used_of_it_is_there(kind: type) -> None:
    missing = [name for name in USED[kind] if not hasattr(kind, name)]
    assert not missing, f"picows {PICOWS}: {kind.__name__} has no {', '.join(missing)}"


@pytest.mark.parametrize(
    "changed",
    [
        "str host_port, str ws_path, bint is_client_side",
        ", ".join(reversed(ARGUMENTS)),
        ", ".join([*ARGUMENTS, "compression=None"]),
    ],
)
def test_a_changed_declaration_is_noticed(changed: str) -> None:
    source = f"cdef class WSProtocol(WSProtocolBase):\n    cdef:\n        int x\n    def __init__(self, {changed}):\n        pass\n"
    assert declared_arguments(source) != ARGUMENTS


def test_one_module_alone_uses_the_class() -> None:
    root = Path(__file__).parents[2] / "bridge"
    users = {file.name for file in root.rglob("*.py") if "WSProtocol" in file.read_text(encoding="utf-8")}
    assert users == {"websocket_protocol.py"}


def test_only_one_minor_release_is_let_in() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    allowed = re.search(r'"picows>=(\d+)\.(\d+)(?:\.\d+)?,<(\d+)\.(\d+)"', text)
    assert allowed is not None
    least, below = (int(allowed[1]), int(allowed[2])), (int(allowed[3]), int(allowed[4]))
    assert below == (least[0], least[1] + 1)
