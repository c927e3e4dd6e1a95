"""The dashboard asks for what workers export, and can be taken into any Grafana."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest
import yaml

from prometheus import (
    CONFIGURED,
    DASHBOARD,
    documented_metrics,
    facts_of_the_cell,
    metrics_in,
    panels,
    queries,
)

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
DOCUMENT = json.loads(DASHBOARD.read_text(encoding="utf-8"))
WITH_QUERIES = [panel for panel in panels() if panel["type"] != "row"]
each_panel = pytest.mark.parametrize("panel", WITH_QUERIES, ids=lambda panel: panel["title"])


def test_it_belongs_to_no_grafana() -> None:
    """The data source is a variable, and so is the cell; nothing has an address of its own."""
    names = [variable["name"] for variable in DOCUMENT["templating"]["list"]]
    assert names == ["datasource", "cell"]
    assert "id" not in DOCUMENT
    assert DOCUMENT["schemaVersion"] >= 39
    assert "://" not in DASHBOARD.read_text(encoding="utf-8")


@each_panel
def test_a_panel_asks_the_chosen_source_about_the_chosen_cells(panel: dict[str, Any]) -> None:
    """Every query of it; and time windows are Grafana's to choose."""
    assert panel["datasource"] == SOURCE
    assert panel["targets"]
    for target in panel["targets"]:
        assert target["datasource"] == SOURCE
        for selector in re.findall(r"\w+\{([^}]*)\}", target["expr"]):
            assert 'cell=~"$cell"' in selector
        assert set(re.findall(r"\[(.*?)\]", target["expr"])) <= {"$__rate_interval"}


@each_panel
def test_a_curve_is_what_it_is_called(panel: dict[str, Any]) -> None:
    """A percentile is reckoned as that, and what tells curves apart is in their name."""
    for target in panel["targets"]:
        asked, called = target["expr"], target.get("legendFormat", "")
        named = re.findall(r"\bp(\d+)\b", called) or re.findall(r"\bp(\d+)\b", panel["title"])
        reckoned = re.findall(r"histogram_quantile\(0\.(\d+),", asked)
        assert [it.ljust(2, "0") for it in reckoned] == named
        labels = set(re.findall(r"{{(\w+)}}", called))
        grouped = [set(found.split(", ")) for found in re.findall(r"by \(([\w, ]+)\)", asked)]
        assert all(labels <= found for found in grouped)


def test_a_breaker_is_shown_as_what_it_is() -> None:
    """Each number that the query makes of a state has the word for that state."""
    [panel] = [panel for panel in panels() if panel["title"] == "Breakers"]
    [mapping] = panel["fieldConfig"]["defaults"]["mappings"]
    words = {number: shown["text"] for number, shown in mapping["options"].items()}
    [query] = [target["expr"] for target in panel["targets"]]
    twice, _, once = query.partition(" + ")
    assert twice.startswith("2 * ")
    assert 'state="open"' in twice
    assert 'state="half_open"' in once
    assert (words["0"], words["1"], words["2"]) == ("closed", "half-open", "open")


def test_panels_have_their_places() -> None:
    """No two have the same number or overlap, and none is wider than the page."""
    assert len({panel["id"] for panel in panels()}) == len(panels())
    places = [panel["gridPos"] for panel in panels()]
    assert all(at["x"] + at["w"] <= 24 for at in places)
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)


def test_what_a_panel_reads_is_there() -> None:
    """Every metric is one of the reference."""
    assert set().union(*map(metrics_in, queries())) <= documented_metrics()


def test_a_fact_of_the_cell_is_shown_once() -> None:
    """Every replica exports the same facts: none is summed over them, and none is shown twice."""
    for query in queries():
        for name in metrics_in(query) & facts_of_the_cell():
            looked_at = re.findall(rf"(max by \([\w, ]+\) \()?{name}\{{", query)
            assert all(looked_at), query


def test_grafana_finds_the_dashboard_and_prometheus() -> None:
    """The files it is provisioned with name both by what `compose/watch.yaml` sets."""
    folder = DASHBOARD.parent / "provisioning"
    [source] = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())[
        "datasources"
    ]
    assert (source["type"], source["url"]) == ("prometheus", "$PROMETHEUS_URL")
    [provider] = yaml.safe_load((folder / "dashboards" / "antiphon.yaml").read_text())["providers"]
    assert provider["options"]["path"] == "$ANTIPHON_DASHBOARDS"
    watch = yaml.safe_load((CONFIGURED.parent / "watch.yaml").read_text())["services"]["grafana"]
    folders = dict(volume.split(":")[1::-1] for volume in watch["volumes"])
    told = watch["environment"]
    assert told["ANTIPHON_DASHBOARDS"] in folders
    assert (CONFIGURED.parent / folders[told["ANTIPHON_DASHBOARDS"]] / DASHBOARD.name).exists()
    assert (CONFIGURED.parent / folders["/etc/grafana/provisioning"]).is_dir()
