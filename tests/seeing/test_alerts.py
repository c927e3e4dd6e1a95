"""The rules for Prometheus are sound, say what to do, and fire when they should and only then."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY

import debian
import documents
from antiphon.cli.commands import OURS
from antiphon.telemetry.metrics import Steps
from prometheus import (
    CONFIGURED,
    RULES,
    alerts,
    documented_metrics,
    facts_of_the_cell,
    metrics_in,
    rules,
)

WHEN = Path(__file__).with_name("rules.test.yml")
OF_CELLS = WHEN.with_name("rules.cells.test.yml")
PAGE = "reference/alerts.md"

pytestmark = pytest.mark.timeout(debian.INSTALLING_SECONDS)


_ALL, ALERTS = rules(), alerts()
RECORDED = {rule["record"] for rule in _ALL if "record" in rule}
each_alert = pytest.mark.parametrize("name", ALERTS)


def _promtool(*arguments: str | Path, of: Path = CONFIGURED) -> str:
    """Run promtool, which must be content; returns what it said."""
    command = [debian.program("promtool"), *arguments]
    done = subprocess.run(command, cwd=of, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_rules() -> None:
    """`promtool check rules` counts all of them."""
    assert f"SUCCESS: {len(_ALL)} rules found" in _promtool("check", "rules", RULES)


def test_prometheus_takes_the_configuration() -> None:
    """`promtool check config` finds the rules through it."""
    said = _promtool("check", "config", "prometheus.yml")
    assert f"SUCCESS: {len(_ALL)} rules found" in said


def test_alerts_fire_when_they_should_and_only_then() -> None:
    """`promtool test rules` tells each alert its story, by the minute."""
    assert "SUCCESS" in _promtool("test", "rules", WHEN.name, OF_CELLS.name, of=WHEN.parent)


@each_alert
def test_an_alert_has_a_story_in_which_it_fires_and_one_in_which_it_does_not(name: str) -> None:
    """Both are expected of it in `rules.test.yml`."""
    document = yaml.safe_load(WHEN.read_text(encoding="utf-8"))
    tests = [test for story in document["tests"] for test in story["promql_expr_test"]]
    expected = [test["exp_samples"] for test in tests if name in test["expr"]]
    assert [] in expected
    fired = [sample["labels"] for some in expected for sample in some if "labels" in sample]
    assert any(f'alertname="{name}", alertstate="firing"' in labels for labels in fired)


@each_alert
def test_an_alert_says_what_it_is_about_and_what_to_type(name: str) -> None:
    """It has a severity, names its cell or its worker, and gives a command that exists."""
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    said = rule["annotations"]
    assert set(said) == {"summary", "description", "runbook_url"}
    assert name == "AntiphonNoWorker" or "$labels.cell" in said["summary"] + said["description"]
    typed = re.findall(r"`(antiphon [^`]+)`", said["description"])
    assert typed
    for command in typed:
        assert shlex.split(command)[1] in OURS, command


@each_alert
def test_an_alert_has_a_runbook(name: str) -> None:
    """Its link leads to its section, which says as severe and as long as the rule does."""
    rule = ALERTS[name]
    path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert path == f"docs/{PAGE}"
    assert anchor in documents.anchors(documents.page(PAGE))
    assert anchor == name.lower()
    text = documents.section(PAGE, f"## {name}")
    first = text.split()[0].strip("*,")
    assert first == rule["labels"]["severity"]
    for word in ("Means", "Look at", "Do"):
        assert f"- **{word}**: " in text
    units = {"m": "minute", "h": "hour"}
    found = re.search(r"^\*\w+(?:, for (\d+) (\w+?)s?)?\*$", text, re.MULTILINE)
    assert found is not None
    lasting = rule.get("for")
    assert (found[1], found[2]) == ((lasting[:-1], units[lasting[-1]]) if lasting else (None, None))


def test_the_page_knows_no_other_alert() -> None:
    """What it describes is in the file, in the same order."""
    headings = re.findall(r"^## (\w+)$", documents.page(PAGE), re.MULTILINE)
    assert headings == list(ALERTS)


def test_what_a_rule_reads_is_there() -> None:
    """Metrics are those of the reference, and what was recorded those of this file."""
    expressions = [rule["expr"] for rule in _ALL]
    read = set().union(*map(metrics_in, expressions))
    assert read <= documented_metrics()
    recorded = {name for text in expressions for name in re.findall(r"\b\w+:\w+:\w+\b", text)}
    assert recorded == RECORDED


def test_a_fact_of_the_cell_is_counted_once() -> None:
    """Every replica exports the same facts: none is summed over them, and none fires twice."""
    for rule in rules():
        for name in metrics_in(rule["expr"]) & facts_of_the_cell():
            assert re.search(rf"max by \([\w, ]+\) \({name}[)\{{]", rule["expr"]), rule


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("antiphon_guard_decisions_total", {"guard": "visits", "decision": "halted"}),
        ("antiphon_guard_decisions_total", {"guard": "budget", "decision": "suppressed"}),
        (
            "antiphon_recoveries_closed_total",
            {"event_type": "service.failed", "verdict": "failed"},
        ),
    ],
)
def test_the_first_of_its_kind_is_seen(name: str, labels: dict[str, str]) -> None:
    """What an alert counts is there, at zero, as soon as there is a handler."""
    Steps("alerts.first")
    assert REGISTRY.get_sample_value(name, labels) is not None
