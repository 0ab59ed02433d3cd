"""What a scrape finds: the figures of a process as data, those of several processes added up, and their text.

Counters and histograms are added. So are gauges, unless `SMALLEST` or `LARGEST` names them. No clock and no socket.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from math import inf, isfinite

from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

SMALLEST = frozenset({"voicebridge_draining", "process_start_time_seconds"})
"""Gauges of several processes of which the smallest is told: all of them drain, or the server does not."""

LARGEST = frozenset(
    {
        *("voicebridge_calls_capacity", "voicebridge_oldest_call_seconds", "voicebridge_call_limit_seconds"),
        *(
            "voicebridge_assistant_circuit_open",
            "voicebridge_build_info",
            "voicebridge_playout_ahead_seconds",
            "python_info",
            "process_max_fds",
        ),
    }
)

GROW = frozenset({"counter", "histogram"})
"""Kinds that stay counted when their process has ended."""

Labels = tuple[tuple[str, str], ...]

Key = tuple[str, Labels]
"""The name of a sample, and its labels in their order."""


class Family(Struct, frozen=True):
    """A figure with its samples. `name`: without `_total`; `kind`: counter, gauge or histogram."""

    name: str
    kind: str
    help: str
    samples: list[tuple[Key, float]]


def families(registry: CollectorRegistry) -> Iterator[Family]:
    """The figures of a registry, one after the other: other work may be done between two of them."""
    for metric in registry.collect():
        yield _family(metric)


def _family(metric: Metric) -> Family:
    created = f"{metric.name}_created"  # when a series began: as many series again, and nobody asks
    samples = [
        ((one.name, tuple(one.labels.items())), one.value) for one in metric.samples if one.name != created
    ]
    return Family(metric.name, metric.type, metric.documentation, samples)


def pieces(found: Iterable[Family], most: int) -> Iterator[Family]:
    """The same families, none of them with more than `most` samples."""
    for family in found:
        samples = family.samples
        for at in range(0, max(len(samples), 1), most):
            yield Family(family.name, family.kind, family.help, samples[at : at + most])


def merged(processes: Iterable[Iterable[Family]]) -> list[Family]:
    """Those of several processes as one. A family may come in pieces."""
    heads: dict[str, Family] = {}
    values: dict[str, dict[Key, float]] = {}
    for found in processes:
        for family in found:
            heads.setdefault(family.name, family)
            known = values.setdefault(family.name, {})
            for key, value in family.samples:
                known[key] = value if key not in known else _together(family.name, known[key], value)
    return [Family(name, head.kind, head.help, list(values[name].items())) for name, head in heads.items()]


def _together(name: str, one: float, other: float) -> float:
    if name in SMALLEST:
        return min(one, other)
    return max(one, other) if name in LARGEST else one + other


def lasting(found: Iterable[Family]) -> list[Family]:
    """What stays counted of a process that has ended."""
    return [family for family in found if family.kind in GROW]


def text(family: Family) -> str:
    """A family as scrapers read it (Prometheus, "Exposition formats", text format 0.0.4)."""
    name = f"{family.name}_total" if family.kind == "counter" else family.name
    kind = "untyped" if family.kind == "unknown" else family.kind
    explained = family.help.replace("\\", r"\\").replace("\n", r"\n")
    lines = [f"# HELP {name} {explained}", f"# TYPE {name} {kind}"]
    lines += [f"{of}{_labels(labels)} {_number(value)}" for (of, labels), value in family.samples]
    return "\n".join(lines) + "\n"


@lru_cache(maxsize=4096)  # they are the same at each scrape
def _labels(labels: Labels) -> str:
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{inside}}}" if inside else ""


def _number(value: float) -> str:
    return repr(float(value)) if isfinite(value) else {inf: "+Inf", -inf: "-Inf"}.get(value, "NaN")


_ESCAPES: Mapping[int, str] = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def _escaped(value: str) -> str:
    return value.translate(_ESCAPES)
