"""The demo, run as a stranger would run it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from staged import running_in, start_demo
from support import until

pytestmark = pytest.mark.timeout(300)

STEPS = ["orders-api.restart", "orders-cache.warm", "orders-db.restore", "web.reopen"]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Path]:
    """A directory for one shop; whatever runs in it at the end is a leak."""
    directory = tmp_path / "shop"
    yield directory
    left = running_in(directory)
    for process in left:
        process.kill()
    assert not left


@pytest.fixture
def occupied(tmp_path: Path) -> Path:
    (tmp_path / "notes").touch()
    return tmp_path


async def run(shop: Path, *options: str) -> dict[str, Any]:
    process = await start_demo(shop, "--json", *options)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    result: dict[str, Any] = json.loads(out)
    return result


def assert_recovered(result: dict[str, Any]) -> None:
    assert result["verdict"] == "completed"
    assert result["order"]["placed"]
    assert result["earlier_order"]["kept"]
    assert result["logs"]["from_logs_agrees"]
    done = [step["handler"] for step in result["steps"] if step["outcome"] == "completed"]
    assert sorted(done) == STEPS


def attempts(result: dict[str, Any], handler: str) -> int:
    (count,) = (
        step["attempts"]
        for step in result["steps"]
        if step["handler"] == handler and step["outcome"] == "completed"
    )
    return int(count)


async def test_a_broken_shop_recovers_by_itself(shop: Path) -> None:
    """A damaged database and a killed process end as an open shop, each step done once."""
    result = await run(shop)
    assert_recovered(result)
    assert attempts(result, "orders-db.restore") == 1
    assert running_in(shop) == []


async def test_a_worker_killed_in_the_middle_is_replaced_and_its_step_finished(shop: Path) -> None:
    """Another worker takes the restore over: two attempts, one outcome, nothing done twice."""
    result = await run(shop, "--kill-worker")
    assert_recovered(result)
    assert attempts(result, "orders-db.restore") == 2
    assert running_in(shop) == []


async def test_without_json_it_tells_the_story(shop: Path) -> None:
    """Plain output names the damage, the steps, the verdict and the order placed at the end."""
    process = await start_demo(shop)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    story = out.decode()
    for told in ("damaged", *STEPS, "COMPLETED", "tell the same story", "was placed"):
        assert told in story


async def test_stopped_in_the_middle_it_leaves_nothing_running(shop: Path) -> None:
    """SIGTERM ends every process of the shop before the demo itself."""
    process = await start_demo(shop)
    await until((shop / "logs" / "probe.jsonl").exists, timeout=60)
    process.send_signal(signal.SIGTERM)
    await process.communicate()
    assert process.returncode == 130
    assert running_in(shop) == []


async def test_killed_outright_it_leaves_nothing_running(shop: Path) -> None:
    """Even SIGKILL, after which nobody can clean up, takes the whole shop with it."""
    process = await start_demo(shop)
    await until((shop / "logs" / "probe.jsonl").exists, timeout=60)
    process.kill()
    await process.wait()
    await until(lambda: not running_in(shop), timeout=30)


async def test_a_directory_in_use_is_refused(occupied: Path) -> None:
    """Nothing that somebody kept is overwritten."""
    process = await start_demo(occupied)
    _, err = await process.communicate()
    assert process.returncode == 2
    assert f"{occupied} is in use" in err.decode()
