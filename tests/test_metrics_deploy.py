"""What is shipped for Prometheus and Grafana, and the table in the documents, name figures that exist."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.observers.metrics.families import Metrics
from bridge.shell.metrics.process_metrics import ProcessMetrics

ROOT = Path(__file__).parents[1]
ALERTS = ROOT / "deploy/alerts.yml"
DASHBOARDS = sorted((ROOT / "deploy/grafana").glob("*.json"))
OPERATE = ROOT / "docs/operate.md"

GRID_WIDTH = 24

PANELS = {"row", "stat", "timeseries", "heatmap"}
"""Kinds that Grafana 10 and newer have without a plugin."""

FILLED_IN = {"__rate_interval": "5m"}
"""What Grafana itself puts in the place of a variable."""

NAME = re.compile(r"\b(?:voicebridge|process|python)_[a-z0-9_]+\b")
SUFFIXES = ("_bucket", "_sum", "_count")

DESCRIBED = {one.name: one for one in Metrics().described}


def exists(name: str) -> bool:
    """Whether a scrape can have a sample of this name, in the right form for its kind."""
    if name.startswith(("process_", "python_")):
        found = ProcessMetrics().figures.registry.collect()
        return name in {sample.name for family in found for sample in family.samples}
    stem = next((name.removesuffix(end) for end in SUFFIXES if name.endswith(end)), name)
    if stem in DESCRIBED and DESCRIBED[stem].kind == "histogram":
        return stem != name
    return name in DESCRIBED


def expressions(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


def alert_rules() -> list[str]:
    """The text of each rule."""
    return ALERTS.read_text(encoding="utf-8").split("- alert: ")[1:]


def test_there_are_two_dashboards_and_some_rules() -> None:
    assert [path.name for path in DASHBOARDS] == ["fleet.json", "voice-quality.json"]
    assert len(alert_rules()) >= 10


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_each_name_in_a_dashboard_exists(path: Path) -> None:
    names = {name for text in expressions(json.loads(path.read_text(encoding="utf-8"))) for name in NAME.findall(text)}  # fmt: skip
    assert len(names) > 10
    assert not sorted(name for name in names if not exists(name))


def test_each_name_in_the_alerts_exists() -> None:
    names = set(NAME.findall(ALERTS.read_text(encoding="utf-8")))
    assert len(names) > 10
    assert not sorted(name for name in names if not exists(name))


def test_a_name_that_does_not_exist_is_found() -> None:
    assert not exists("voicebridge_turn_heard_seconds"), "a histogram has no sample of its own name"
    assert not exists("voicebridge_calls")
    assert not exists("voicebridge_calls_total_sum")
    assert exists("voicebridge_turn_heard_seconds_bucket")
    assert exists("process_cpu_seconds_total")


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_takes_its_data_source_from_the_variable(path: Path) -> None:
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    assert dashboard["templating"]["list"][0]["type"] == "datasource"
    sources = [panel["datasource"] for panel in dashboard["panels"] if "datasource" in panel]
    assert sources
    assert {source["uid"] for source in sources} == {"${datasource}"}
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_the_panels_of_a_dashboard_are_of_known_kinds_and_lie_side_by_side(path: Path) -> None:
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    assert 36 <= dashboard["schemaVersion"] <= 39
    assert {panel["type"] for panel in dashboard["panels"]} <= PANELS
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        for column in range(at["x"], at["x"] + at["w"]):
            assert 0 <= column < GRID_WIDTH, panel["title"]
            for row in range(at["y"], at["y"] + at["h"]):
                assert taken.setdefault((column, row), panel["title"]) == panel["title"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_the_queries_of_a_dashboard_have_names_of_their_own_and_known_variables(path: Path) -> None:
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    known = {variable["name"] for variable in dashboard["templating"]["list"]} | FILLED_IN.keys()
    for panel in dashboard["panels"]:
        names = [target["refId"] for target in panel.get("targets", ())]
        assert len(names) == len(set(names))
        assert bool(names) == (panel["type"] != "row"), panel["title"]
    used = {name for text in expressions(dashboard) for name in re.findall(r"\$\{?(\w+)", text)}
    assert used <= known


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_the_labels_in_a_dashboard_are_those_of_the_figures(path: Path) -> None:
    assert not list(unknown_labels(expressions(json.loads(path.read_text(encoding="utf-8")))))


def test_the_labels_in_the_alerts_are_those_of_the_figures() -> None:
    assert not list(unknown_labels(alert_rules()))


def unknown_labels(texts: Iterator[str] | list[str]) -> Iterator[str]:
    """Labels that a selector names and the figure does not have; `instance` and `job` are the scraper's."""
    for text in texts:
        for name, selector in re.findall(r"(voicebridge_\w+)\{([^}]*)\}", text):
            stem = next((name.removesuffix(end) for end in SUFFIXES if name.endswith(end)), name)
            for label in re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", selector):
                if label not in (*DESCRIBED[stem].labels, "instance", "job"):
                    yield f"{name}: {label}"


def table() -> str:
    """The table of figures as docs/operate.md must have it."""
    rows = [
        f"| `{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels)} | {one.help} |"
        for one in sorted(DESCRIBED.values())
    ]
    return "\n".join(["| figure | kind | labels | what it tells |", "|---|---|---|---|", *rows, ""])


def test_the_documents_have_the_table_of_all_figures() -> None:
    assert table() in OPERATE.read_text(encoding="utf-8"), f"expected in docs/operate.md:\n{table()}"


@pytest.mark.parametrize("name", sorted(DESCRIBED))
def test_a_name_is_as_prometheus_wants_it(name: str) -> None:
    one = DESCRIBED[name]
    assert name.startswith("voicebridge_")
    assert name.endswith("_total") == (one.kind == "counter")
    assert name.endswith("_seconds") or one.kind != "histogram"
    assert not {"call", "call_id", "number", "url", "from", "to"} & set(one.labels)


needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)"
)


@needs_promtool
@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_promtool_reads_each_query_of_a_dashboard(path: Path, tmp_path: Path) -> None:
    """It reads queries as those of recording rules, with what Grafana puts in the place of variables."""
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    assert len(queries) > 10
    filled = [re.sub(r"\$\{?(\w+)\}?", lambda name: FILLED_IN.get(name[1], ".*"), query) for query in queries]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(filled)]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": path.stem, "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", tmp_path / "rules.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(queries)} rules found" in done.stdout


@needs_promtool
def test_promtool_finds_no_fault_in_the_alerts() -> None:
    done = subprocess.run(["promtool", "check", "rules", ALERTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
