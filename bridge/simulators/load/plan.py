"""What a load test is asked to do: the options, checked, with every refusal in words."""

import math
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import urlsplit

from bridge.simulators.carriers.contract import CallOptions
from bridge.simulators.carriers.rehearsal import read_rehearsal
from bridge.simulators.load.caller import Behaviour
from bridge.simulators.load.results import Options
from bridge.simulators.phone.network_delay import Delay
from bridge.simulators.phone.network_disorder import Disorder
from bridge.simulators.phone.plan import read_digits
from bridge.vocabulary.errors import ConfigurationError

MOST_CALLS = 100_000
MOST_PROCESSES = 256
LONGEST_S = 7 * 24 * 3600.0
CALLS_BEGUN_PER_S = 20
"""How fast calls begin unless `--ramp` says otherwise."""

ARRIVING_CALL_S = 30.0
"""How long calls last that arrive at a rate, unless `--call-seconds` says otherwise."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """The options of one run. Raises `ConfigurationError` if they contradict each other or are out of range.

    `calls` 0: calls arrive at `calls_per_second`. `ramp_s` -1: chosen. `call_s` 0: each call lasts to the end of the run.
    `audio`: files. `private_key` and `auth_token` sign, as `CallOptions` says.
    """

    url: str
    audio: tuple[str, ...]
    carrier: str
    calls: int = 0
    calls_per_second: float = 0.0
    hold_calls: bool = False
    ramp_s: float = -1.0
    duration_s: float = 60.0
    call_s: float = 0.0
    digits: str = ""
    barge_in: float = 0.0
    loss: float = 0.0
    reorder: float = 0.0
    jitter_ms: float = 0.0
    delay_ms: float = 0.0
    processes: int = 1
    measure: Literal["auto", "echo", "turns"] = "auto"
    late_ms: float = 60.0
    pid: int = 0
    codec: str = ""
    rate_hz: int = 0
    play_codec: str = ""
    play_rate_hz: int = 0
    byteorder: str = "little"
    public_url: str = ""
    auth_token: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        self._check_url()
        if bool(self.calls) == bool(self.calls_per_second):
            raise ConfigurationError(
                "--calls, --calls-per-second: expected one of them, a number of calls at once or a rate of arrivals"
            )
        if self.hold_calls and not self.calls:
            raise ConfigurationError("--hold-calls: expected with --calls, the number that is held")
        _check_range("--calls", self.calls, 0, MOST_CALLS)
        _check_range("--calls-per-second", self.calls_per_second, 0, 10_000)
        _check_range("--processes", self.processes, 1, MOST_PROCESSES)
        if self.calls and self.processes > self.calls:
            raise ConfigurationError(
                f"--processes {self.processes}: expected at most as many as --calls, {self.calls}"
            )
        _check_range("--duration", self.duration_s, 1, LONGEST_S, "s")
        _check_range("--call-seconds", self.call_s, 0, LONGEST_S, "s")
        _check_range("--late-ms", self.late_ms, 1, 2000, "ms")
        if self.measure not in ("auto", "echo", "turns"):
            raise ConfigurationError(f"--measure {self.measure!r}: expected auto, echo or turns")
        if self.ramp_s < 0:
            object.__setattr__(self, "ramp_s", self._chosen_ramp_s())
        if self.ramp_s >= self.duration_s:
            raise ConfigurationError(
                f"--ramp {self.ramp_s:g} s: expected less than --duration, {self.duration_s:g} s, which counts the ramp too"
            )
        if self.calls_per_second and not self.call_s:
            object.__setattr__(self, "call_s", ARRIVING_CALL_S)
        _check_share("--barge-in", self.barge_in)
        _ = self.disorder, self.delay, read_digits(self.digits)  # each raises what is wrong with it

    def _check_url(self) -> None:
        try:
            parts = urlsplit(self.url)
            valid = (
                parts.scheme in ("http", "https", "ws", "wss") and bool(parts.hostname) and parts.port != 0
            )
        except ValueError:  # a port out of range, a bracket left open
            valid = False
        if not valid:
            raise ConfigurationError(
                f"{self.url}: not an address to call: expected a voice webhook (http://HOST/PATH, https) or a media "
                "socket (ws, wss)"
            )

    def _chosen_ramp_s(self) -> float:
        return min(self.calls / CALLS_BEGUN_PER_S, self.duration_s / 3)

    @property
    def disorder(self) -> Disorder:
        return Disorder(self.reorder, self.loss)

    @property
    def delay(self) -> Delay:
        return Delay(self.delay_ms, self.jitter_ms)

    @property
    def behaviour(self) -> Behaviour:
        """What all callers have in common."""
        return Behaviour(read_digits(self.digits), self.barge_in, self.disorder, self.measure, self.late_ms)

    @property
    def call_options(self) -> CallOptions:
        """What the carrier's simulator is told."""
        return CallOptions(
            auth_token=self.auth_token,
            codec=self.codec,
            rate_hz=self.rate_hz,
            play_codec=self.play_codec,
            play_rate_hz=self.play_rate_hz,
            byteorder=self.byteorder,
            rehearsal=read_rehearsal(self.public_url, self.url),
            private_key=self.private_key,
        )

    def with_calls(self, calls: int) -> "LoadPlan":
        """The same run with another number of calls, and the ramp that belongs to it."""
        return replace(self, calls=calls, ramp_s=-1.0)

    def part(self, process: int) -> "LoadPlan":
        """What one of the processes does, from 0: its share of the calls."""
        share = self.calls // self.processes + (process < self.calls % self.processes)
        return replace(
            self, calls=share, calls_per_second=self.calls_per_second / self.processes, processes=1
        )

    def shown(self) -> Options:
        """The options as the results show them: no secret, and nothing of the URL but what names the server."""
        parts = urlsplit(self.url)
        return Options(
            url=parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl(),
            carrier=self.carrier,
            signed=bool(self.auth_token or self.private_key),
            audio=", ".join(self.audio),
            codec=self.codec or "PCMU",
            calls=self.calls,
            calls_per_second=self.calls_per_second,
            hold_calls=self.hold_calls,
            ramp_s=round(self.ramp_s, 3),
            duration_s=self.duration_s,
            call_s=self.call_s,
            digits=self.digits,
            barge_in=self.barge_in,
            loss=self.loss,
            reorder=self.reorder,
            jitter_ms=self.jitter_ms,
            delay_ms=self.delay_ms,
            processes=self.processes,
            measure=self.measure,
            late_ms=self.late_ms,
            pid=self.pid,
        )


def _check_range(option: str, value: float, least: float, most: float, unit: str = "") -> None:
    if not (math.isfinite(value) and least <= value <= most):
        unit = f" {unit}" if unit else ""
        raise ConfigurationError(
            f"{option}: {value:g}{unit} is out of range; expected {least:g} to {most:g}{unit}"
        )


def _check_share(option: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ConfigurationError(f"{option}: {value:g} is out of range; expected 0 to 1, or 0% to 100%")
