"""What is deployed as shown starts what is there, and gives it time to stop."""

from __future__ import annotations

import configparser
import re

import pytest
import yaml

from antiphon.duration import duration
from antiphon.loading import load_service
from antiphon.settings import Settings
from documents import ROOT

COMPOSE = ROOT / "compose"
_HAND_BACK_SECONDS = 5
"""How long a worker may take to hand back what it did not finish."""


def _lines() -> list[str]:
    text = (COMPOSE / "compose.yaml").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _parts(lines: list[str], indent: int) -> dict[str, list[str]]:
    """Split the lines of a mapping at its keys, which stand at this indentation."""
    parts: dict[str, list[str]] = {}
    for line in lines:
        if found := re.match(rf" {{{indent}}}([\w.-]+):(?: |$)", line):
            parts[found[1]] = []
        parts[next(reversed(parts))].append(line)
    return parts


TOP = _parts(_lines(), 0)
SERVICES = {name: "\n".join(lines) for name, lines in _parts(TOP["services"][1:], 2).items()}
_RUNS = {
    name: found
    for name, text in SERVICES.items()
    if (found := re.search(r'command: \[run, "([^"]+)", --serve, "([^"]+)"\]', text))
}
WORKERS = {name: found[1] for name, found in _RUNS.items()}


def test_the_file_is_indented_as_yaml_is() -> None:
    """No tab, and nothing deeper than its parent by anything but two."""
    depth = 0
    for line in _lines():
        assert "\t" not in line
        indent = len(line) - len(line.lstrip(" "))
        assert indent % 2 == 0, line
        assert indent <= depth + 2, line
        depth = indent + (2 if line.lstrip().startswith("- ") else 0)


def test_what_is_merged_in_is_defined() -> None:
    """An alias names an anchor above it."""
    text = "\n".join(_lines())
    for alias in re.finditer(r"\*([a-z]+)$", text, re.MULTILINE):
        assert f"&{alias[1]}\n" in text[: alias.start()]


def test_volumes_are_declared() -> None:
    """A volume that a service mounts is one of those listed at the end."""
    declared = set(_parts(TOP["volumes"][1:], 2))
    assert set(re.findall(r"^ +- (\w+):/", "\n".join(_lines()), re.MULTILINE)) == declared


def test_the_server_keeps_what_it_acknowledged() -> None:
    """Every write is on disk before it is answered, and nothing is evicted."""
    words = re.findall(r"^ +- (.+)$", SERVICES["valkey"].replace('"', ""), re.MULTILINE)
    options = dict(zip(words[1::2], words[2::2], strict=False))
    assert options["--appendonly"] == "yes"
    assert options["--appendfsync"] == "always"
    assert options["--maxmemory-policy"] == "noeviction"


def test_every_service_of_the_demo_has_a_worker() -> None:
    """The names are those of the shop's processes."""
    assert sorted(WORKERS) == ["orders-api", "orders-cache", "orders-db", "web"]


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_runs_a_service_that_is_there(name: str) -> None:
    """Its command names an importable service, and its check a handler of that service."""
    service = load_service(WORKERS[name])
    assert service.name == name
    checked = re.search(r"antiphon groups list \| grep -q '\^(\S+) \*now'", SERVICES[name])
    assert checked is not None
    assert checked[1] in {handler.group for handler in service.handlers}


def test_prometheus_looks_where_the_workers_serve() -> None:
    """They share a network, so each has a port of its own."""
    document = yaml.safe_load((COMPOSE / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    [[told]] = [job["static_configs"] for job in document["scrape_configs"]]
    assert told["targets"] == [found[2] for found in _RUNS.values()]
    assert told["labels"] == {"cell": Settings().cell}


def test_what_watches_shares_the_shop_s_network() -> None:
    """Nothing is heard beyond this machine, and what is mounted is there."""
    watch = yaml.safe_load((COMPOSE / "watch.yaml").read_text(encoding="utf-8"))["services"]
    ports = watch.pop("valkey")["ports"]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert sorted(watch) == ["alertmanager", "grafana", "prometheus"]
    for service in watch.values():
        assert service["network_mode"] == "service:valkey"
        for volume in service["volumes"]:
            assert (COMPOSE / volume.split(":")[0]).is_dir(), volume
            assert volume.endswith(":ro")


def test_containers_have_time_to_stop() -> None:
    """A worker that is killed before it has handed back keeps others waiting for its lease."""
    grace = re.search(r"stop_grace_period: (\w+)", "\n".join(TOP["x-worker"]))
    assert grace is not None
    seconds = (duration(grace[1]) - Settings().drain).total_seconds()
    assert seconds > _HAND_BACK_SECONDS


def test_the_image_is_made_of_what_is_there() -> None:
    """Everything that is copied exists."""
    for line in (COMPOSE / "Dockerfile").read_text(encoding="utf-8").splitlines():
        if line.startswith("COPY "):
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source


def test_the_unit_runs_its_instance() -> None:
    """The unit is well formed, runs what stands after the @, and gives it time to stop."""
    unit = configparser.RawConfigParser(strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((COMPOSE / "antiphon-worker@.service").read_text(encoding="utf-8"))
    service = unit["Service"]
    assert service["ExecStart"].endswith("/antiphon run %i")
    assert service["KillMode"] == "process"
    patience = float(service["TimeoutStopSec"])
    assert patience > Settings().drain.total_seconds() + _HAND_BACK_SECONDS
