"""A real Prometheus and a real Alertmanager beside a test, with the project's own configuration.

What takes minutes in earnest takes seconds here, and nothing else is changed: see `hurried`.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

import debian
import documents
from antiphon.telemetry.cell import CELL
from documents import ROOT
from support import until

CONFIGURED = ROOT / "compose" / "prometheus"
RULES = CONFIGURED / "antiphon.rules.yml"
DASHBOARD = ROOT / "compose" / "grafana" / "antiphon.json"
WINDOW_SECONDS = 12
"""What a hurried rule looks back upon, instead of minutes or hours."""

_SOONER = {
    "AntiphonRecoverySlow": ("> 600", "> 1"),
    "AntiphonRecoveryOpenLong": ("> 3600", "> 5"),
    "AntiphonEscalationUnacknowledged": ("> 900", "> 3"),
    "AntiphonDeliveryPendingLong": ("> 1800", "> 5"),
    "AntiphonBreakerOpenLong": ("> 600", "> 3"),
    "AntiphonSurveyStale": ("> 120", "> 15"),
    "AntiphonDutyOverdue": ("> 600", "> 10"),
}
"""By alert: how many seconds are too many, in earnest and in a test."""

_PATIENCE_SECONDS = 30.0
_SUFFIX = re.compile(r"_(bucket|sum|count)$")
_DURATION = re.compile(r"\[\d+[mh]\]")
_STOP_SECONDS = 10.0


def rules() -> list[dict[str, Any]]:
    """What Prometheus records and alerts on."""
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """The rules that alert, by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def panels() -> list[dict[str, Any]]:
    """What the dashboard shows, rows and panels."""
    document = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return list(document["panels"])


def queries() -> list[str]:
    """Every query of the dashboard, of all cells, as Grafana would ask it of a short run."""
    asked = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    window = f"{WINDOW_SECONDS}s"
    return [text.replace("$__rate_interval", window).replace("$cell", ".*") for text in asked]


def metrics_in(expression: str) -> set[str]:
    """The metrics of Antiphon's that a query reads; what a rule recorded is none."""
    names = re.findall(r"(?<![:\w])antiphon_\w+(?!:)\b", expression)
    return {_SUFFIX.sub("", name) for name in names}


def documented_metrics() -> set[str]:
    names = re.findall(r"^\| `(antiphon_\w+)", documents.page("reference/metrics.md"), re.MULTILINE)
    return set(names)


def facts_of_the_cell() -> set[str]:
    """The metrics that every replica exports alike, but for when each looked."""
    families = {family.name for family in CELL.describe()}
    return families - {"antiphon_survey_timestamp_seconds"}


def hurried(text: str) -> str:
    """The rules with seconds for minutes: in windows, in `for:`, and in thresholds that are times.

    A count, a ratio, a label or a text stays as it is.
    """
    document = yaml.safe_load(text)
    for rule in (rule for group in document["groups"] for rule in group["rules"]):
        rule["expr"] = _DURATION.sub(f"[{WINDOW_SECONDS}s]", rule["expr"])
        if "for" in rule:
            rule["for"] = "1s"
        if found := _SOONER.get(rule.get("alert", "")):
            assert found[0] in rule["expr"], rule
            rule["expr"] = rule["expr"].replace(*found)
    return yaml.safe_dump(document, sort_keys=False)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Prometheus:
    """Asks one Prometheus what it knows, and its Alertmanager what it was told."""

    def __init__(self, url: str, alerting_url: str) -> None:
        self.began = time.time()
        self._client = httpx.AsyncClient(base_url=f"{url}/api/v1/", timeout=10)
        self._alerting = httpx.AsyncClient(base_url=f"{alerting_url}/api/v2/", timeout=10)

    async def aclose(self) -> None:
        await self._client.aclose()
        await self._alerting.aclose()

    async def ask(self, path: str, **parameters: Any) -> Any:
        answer = (await self._client.get(path, params=parameters)).json()
        assert answer["status"] == "success", (parameters, answer)
        return answer["data"]

    async def firing(self) -> list[dict[str, Any]]:
        """The alerts that fire now: each with its `labels` and `annotations`."""
        found = await self.ask("alerts")
        return [alert for alert in found["alerts"] if alert["state"] == "firing"]

    async def received(self, name: str) -> set[str]:
        """The receivers to which the Alertmanager gives an alert; none before it was told of it."""
        answer = await self._alerting.get("alerts", params={"filter": f'alertname="{name}"'})
        return {receiver["name"] for alert in answer.json() for receiver in alert["receivers"]}

    async def value(self, query: str) -> list[dict[str, Any]]:
        """What a query has for an answer now."""
        return list((await self.ask("query", query=query))["result"])

    async def ever(self, query: str) -> list[dict[str, Any]]:
        """What a query has had for an answer since this began, by the second; NaN is none."""
        found = await self.ask(
            "query_range", query=query, start=self.began, end=time.time(), step=1
        )
        return [
            series
            for series in found["result"]
            if any(value not in {"NaN", "+Inf", "-Inf"} for _, value in series["values"])
        ]

    async def exemplars(self, metric: str) -> set[str]:
        """The correlation ids that a metric's buckets lead to."""
        found = await self.ask(
            "query_exemplars", query=metric, start=self.began, end=time.time() + 1
        )
        kept = [one["labels"] for series in found for one in series["exemplars"]]
        return {labels["correlation_id"] for labels in kept}


@asynccontextmanager
async def watching(folder: Path, *targets: str, cell: str) -> AsyncIterator[Prometheus]:
    """Scrape workers every second, with the project's rules hurried and its Alertmanager beside.

    Args:
        folder: what this may fill.
        targets: the addresses of the workers.
        cell: theirs.
    """
    port, alerting = free_port(), free_port()
    document = yaml.safe_load((CONFIGURED / "prometheus.yml").read_text(encoding="utf-8"))
    document["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    document["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [
        f"127.0.0.1:{alerting}"
    ]
    [job] = document["scrape_configs"]
    job["static_configs"] = [{"targets": [target], "labels": {"cell": cell}} for target in targets]
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    text = hurried(RULES.read_text(encoding="utf-8"))
    (folder / RULES.name).write_text(text, encoding="utf-8")
    prometheus = (
        debian.program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        "--query.lookback-delta=10s",
        "--rules.alert.resend-delay=2s",
    )
    alertmanager = (
        debian.program("alertmanager"),
        f"--config.file={CONFIGURED / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{alerting}",
        "--cluster.listen-address=",
    )
    url, alerting_url = (f"http://127.0.0.1:{number}" for number in (port, alerting))
    async with (
        _served(folder / "alertmanager.log", alertmanager, alerting_url),
        _served(folder / "prometheus.log", prometheus, url),
    ):
        seen = Prometheus(url, alerting_url)
        try:
            yield seen
        finally:
            await seen.aclose()


@asynccontextmanager
async def _served(log: Path, command: Sequence[object], url: str) -> AsyncIterator[None]:
    """Run a server until the block is left; it is entered when the server says that it is ready."""
    with log.open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            *map(str, command), stdout=said, stderr=asyncio.subprocess.STDOUT
        )
        try:
            async with httpx.AsyncClient() as client:

                async def ready() -> bool:
                    assert process.returncode is None, _read(log)
                    try:
                        return (await client.get(f"{url}/-/ready")).is_success
                    except httpx.TransportError:
                        return False

                await until(ready, _PATIENCE_SECONDS)
            yield
        finally:
            if process.returncode is None:
                process.terminate()
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()


def _read(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")
