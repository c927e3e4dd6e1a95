"""The demos of guards, run as a stranger would run them."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from staged import running_in, start_demo
from support import until

pytestmark = pytest.mark.timeout(300)

DEMOS = ["loop", "cascade", "storm"]
UNGUARDED = {
    "loop": {
        "ANTIPHON_HOLD": "off",
        "ANTIPHON_HANDLERS": json.dumps({"orders-api.restart": {"budget": "off"}}),
    },
    "cascade": {"ANTIPHON_MAX_VISITS": "100", "ANTIPHON_MAX_HOPS": "100"},
    "storm": {"ANTIPHON_COALESCE": "false"},
}
"""What takes away the guards that each is about."""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Path]:
    """A directory for one demo; whatever runs in it at the end is a leak."""
    directory = tmp_path / "house"
    yield directory
    left = running_in(directory)
    for process in left:
        process.kill()
    assert not left


async def run(house: Path, demo: str, *, status: int = 0, **environment: str) -> dict[str, Any]:
    process = await start_demo(house, demo, "--json", **environment)
    out, err = await process.communicate()
    assert process.returncode == status, err.decode() + out.decode()
    assert running_in(house) == []
    facts: dict[str, Any] = json.loads(out)
    assert facts["ok"] == (status == 0)
    assert bool(facts["faults"]) == (status != 0)
    assert len(facts["correlation_ids"]) == len(facts["verdicts"]) == facts["recoveries"]
    return facts


async def test_a_restart_that_does_not_hold_is_not_repeated_for_ever(house: Path) -> None:
    """Three restarts in vain, then people are told once and the subject waits for them."""
    facts = await run(house, "loop")
    assert facts["restarts"] == 3
    assert facts["verdicts"] == ["completed"] * 3 + [None]
    assert (facts["escalations"], facts["cut_by"], facts["status"]) == (1, "relapse", "open")
    (pause,) = facts["guards"]["pauses"]
    assert (pause["scope"], pause["by"], pause["held"]) == (
        "subject:orders-api",
        "relapse guard",
        1,
    )


async def test_a_restart_budget_ends_the_loop_as_well(house: Path) -> None:
    """Where relapses do not count, the fourth restart finds the budget spent."""
    facts = await run(house, "loop", ANTIPHON_HOLD="off")
    assert (facts["restarts"], facts["escalations"], facts["cut_by"]) == (3, 1, "budget")
    assert facts["verdicts"] == ["completed"] * 3 + ["failed"]


async def test_restarts_that_break_each_other_are_halted(house: Path) -> None:
    """One recovery visits each service three times; then it is halted and the loop is named."""
    facts = await run(house, "cascade")
    assert (facts["restarts"], facts["escalations"], facts["cut_by"]) == (6, 1, "visits")
    assert facts["verdicts"] == ["halted"]
    around = [
        *("service.failed orders-api", "orders-api.restart"),
        *("service.failed orders-cache", "orders-cache.restart"),
    ]
    assert facts["path"] == " → ".join(around * 3 + around[:2])


async def test_a_thousand_failures_are_one_recovery(house: Path) -> None:
    """Eight publishers race; one recovery is opened, 999 failures join it, the handler runs once.

    A duplicate takes no more of the server late than early.
    """
    facts = await run(house, "storm")
    assert (facts["failures"], facts["recoveries"], facts["coalesced"]) == (1000, 1, 999)
    assert (facts["restarts"], facts["verdicts"], facts["escalations"]) == (1, ["completed"], 0)
    cost = facts["commands_per_duplicate"]
    assert 0 < cost["last_hundred"] <= cost["first_hundred"] * 1.25


@pytest.mark.parametrize("demo", DEMOS)
async def test_without_its_guards_a_demo_fails(house: Path, demo: str) -> None:
    """What goes wrong is measured, not assumed: where nothing ends it, the exit status is 1."""
    facts = await run(house, demo, status=1, **UNGUARDED[demo])
    assert facts["restarts"] > {"loop": 3, "cascade": 6, "storm": 1}[demo]


async def test_it_tells_the_story_and_leaves_a_borrowed_server_as_it_was(
    house: Path, redis_url: str
) -> None:
    """Plain output names the loop, who was told, and the end; no key of it stays."""
    process = await start_demo(house, "cascade", "--url", redis_url)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    story = out.decode()
    for told in ("SIGKILL", "HALTED", "visits", "people are told", "escalated", "6 restarts, then"):
        assert told in story
    with Redis.from_url(redis_url) as client:
        assert not list(client.scan_iter(match="{demo-*"))


@pytest.mark.parametrize(
    ("demo", "number"),
    [("loop", signal.SIGINT), ("cascade", signal.SIGTERM), ("storm", signal.SIGINT)],
    ids=["loop-ctrl-c", "cascade-sigterm", "storm-ctrl-c"],
)
async def test_stopped_in_the_middle_it_leaves_nothing_running(
    house: Path, demo: str, number: signal.Signals
) -> None:
    """Ctrl-C and SIGTERM end every process of a demo before the demo itself."""
    process = await start_demo(house, demo)
    await until((house / "logs" / "orders-api.jsonl").exists, timeout=60)
    process.send_signal(number)
    await process.communicate()
    assert process.returncode == 130
    assert running_in(house) == []


async def test_killed_outright_it_leaves_nothing_running(house: Path) -> None:
    """Even SIGKILL, after which nobody can clean up, takes all of it with it."""
    process = await start_demo(house, "storm")
    await until((house / "logs" / "orders-api.jsonl").exists, timeout=60)
    process.kill()
    await process.wait()
    await until(lambda: not running_in(house), timeout=30)


async def test_options_come_after_the_name_of_the_demo(house: Path) -> None:
    """An option in the wrong place is refused rather than passed over."""
    process = await start_demo(house, "--json", "loop")
    _, err = await process.communicate()
    assert process.returncode == 2
    assert err.decode() == "antiphon: give options after `loop`\n"
