"""The unit file for systemd, beside the defaults that it has to fit."""

from configparser import ConfigParser
from pathlib import Path

from bridge.config.settings import Settings
from bridge.core.call import LAST_MARK_S
from bridge.shell.server import CLOSE_S

UNIT = Path(__file__).parent.parent / "deploy" / "voicebridge.service"


def service() -> dict[str, str]:
    parser = ConfigParser(delimiters=("=",), comment_prefixes=("#",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT.read_text())
    return dict(parser["Service"])


def test_systemd_waits_for_as_long_as_calls_may_go_on() -> None:
    limits = Settings.model_validate({}).limits
    longest_goodbye_s = 10.0
    needed_s = limits.drain_s + limits.goodbye_s + longest_goodbye_s + LAST_MARK_S + CLOSE_S
    assert float(service()["TimeoutStopSec"]) >= needed_s


def test_the_service_is_what_the_program_speaks() -> None:
    unit = service()
    assert (unit["Type"], unit["ExecReload"]) == ("notify", "/bin/kill -HUP $MAINPID")
    assert "voicebridge serve --config" in unit["ExecStart"]
    assert unit["KillMode"] == "mixed", "tools of an assistant are not ended before its calls"
