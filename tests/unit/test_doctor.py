"""The doctor's judgement, from plain facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from antiphon.census import Census, GroupCensus, Place, StreamCensus
from antiphon.doctor import Facts, Finding, Grade, OpenRecoveries, Report, Server

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)

SERVER = Server(
    url="redis://localhost:6379",
    product="redis",
    product_version="7.4.1",
    speaks=(7, 4),
    role="master",
    eviction="noeviction",
    used_memory=10 * 2**20,
    maxmemory=0,
    appendonly=True,
    appendfsync="always",
    snapshots=True,
    failing=(),
)
PLACE = Place(label="service.failed", lag=0, pending=0, oldest_pending=None, stuck=0, consumers=())
GROUP = GroupCensus(
    name="orders.restart",
    service="orders",
    location="orders.py:3",
    subscriptions=(("service.failed", None),),
    places=(PLACE,),
    missing=(),
    stale=(),
    waiting=0,
    overdue=0,
    away=timedelta(seconds=1),
    live=True,
)
STREAM = StreamCensus(
    label="service.failed",
    key="{antiphon}:events:service.failed",
    length=3,
    last_id="1-0",
    ahead=timedelta(hours=-1),
    full=False,
    strangers=(),
)
HOUR = timedelta(hours=1)


def report(
    server: Server = SERVER,
    group: GroupCensus | None = GROUP,
    stream: StreamCensus = STREAM,
    **facts: Any,
) -> Report:
    census = Census(taken=NOW, groups=(group,) if group else (), streams=(stream,))
    known = {"settings": {}, "dead_letters": 0, "recoveries": OpenRecoveries(count=0), **facts}
    return Report.on(Facts(cell="antiphon", server=server, census=census, **known))


def bad(found: Report) -> list[Finding]:
    return [finding for finding in found.findings if finding.grade is not Grade.OK]


def test_a_sound_cell_has_no_findings_but_good_ones() -> None:
    """What is as it should be is said too, so that nobody wonders whether it was looked at."""
    found = report()
    assert found.grade is Grade.OK
    assert bad(found) == []
    assert {finding.about for finding in found.findings} >= {"server", "orders.restart", "streams"}


@pytest.mark.parametrize(
    ("changes", "about", "grade"),
    [
        ({"speaks": (6, 2)}, "server", Grade.PROBLEM),
        ({"role": "slave"}, "role", Grade.PROBLEM),
        ({"appendfsync": "everysec"}, "", Grade.OK),
        ({"appendfsync": "no"}, "persistence", Grade.WARNING),
        ({"appendfsync": ""}, "persistence", Grade.WARNING),
        ({"appendonly": False}, "persistence", Grade.WARNING),
        ({"appendonly": False, "snapshots": None}, "persistence", Grade.WARNING),
        ({"failing": ("snapshot",)}, "disk", Grade.PROBLEM),
        ({"eviction": "allkeys-lru"}, "eviction", Grade.PROBLEM),
        ({"eviction": ""}, "eviction", Grade.WARNING),
        ({"maxmemory": 20 * 2**20}, "", Grade.OK),
        ({"maxmemory": 12 * 2**20}, "memory", Grade.WARNING),
        ({"maxmemory": 11 * 2**20}, "memory", Grade.PROBLEM),
    ],
)
def test_a_server_is_graded_by_what_it_may_lose(
    changes: dict[str, Any], about: str, grade: Grade
) -> None:
    """What loses acknowledged events or refuses new ones is a problem, a known risk a warning."""
    found = report(replace(SERVER, **changes))
    assert found.grade is grade
    assert [finding.about for finding in bad(found)] == ([about] if about else [])
    assert all(finding.remedy for finding in bad(found))


@pytest.mark.parametrize(
    ("changes", "grade", "says"),
    [
        ({"live": False}, Grade.OK, ""),
        ({"live": False, "away": 2 * HOUR}, Grade.WARNING, "no worker has run it for 2h"),
        ({"live": False, "away": None}, Grade.WARNING, "no worker has run it yet"),
        (
            {"live": False, "places": (replace(PLACE, lag=None),)},
            Grade.PROBLEM,
            "some unread, and no worker has run it for 1.0 s",
        ),
        (
            {"live": False, "places": (replace(PLACE, pending=2, stuck=2),)},
            Grade.PROBLEM,
            "2 pending, and no worker has run it for 1.0 s",
        ),
        ({"places": (replace(PLACE, pending=2),), "waiting": 2}, Grade.OK, ""),
        ({"places": (replace(PLACE, pending=2, stuck=1),)}, Grade.PROBLEM, "1 delivery should be"),
        ({"overdue": 2}, Grade.PROBLEM, "2 deliveries should be"),
        ({"missing": ("service.failed",)}, Grade.WARNING, "the server has lost the group on"),
        ({"stale": ("cache.lost",)}, Grade.WARNING, "it is still a group on cache.lost"),
    ],
)
def test_a_group_is_graded_by_what_waits_for_it(
    changes: dict[str, Any], grade: Grade, says: str
) -> None:
    """Work that nobody does is a problem at once; a handler that is away becomes a warning."""
    found = report(group=replace(GROUP, **changes))
    assert found.grade is grade
    assert [finding.says[: len(says)] for finding in bad(found)] == ([says] if says else [])


def test_a_cell_without_handlers_is_a_warning() -> None:
    """Failures are recorded there, and nothing happens."""
    [finding] = bad(report(group=None))
    assert (finding.grade, finding.about) == (Grade.WARNING, "handlers")


@pytest.mark.parametrize(
    ("changes", "grade"),
    [
        ({"ahead": timedelta(seconds=4)}, Grade.OK),
        ({"ahead": timedelta(minutes=1)}, Grade.PROBLEM),
        ({"ahead": timedelta.max, "full": True}, Grade.PROBLEM),
        ({"length": 200_000}, Grade.WARNING),
        ({"strangers": ("audit",)}, Grade.WARNING),
    ],
)
def test_a_stream_is_graded_by_its_ids_its_length_and_its_readers(
    changes: dict[str, Any], grade: Grade
) -> None:
    """Clocks differ by a little; what blocks a stream or lets it grow is said once."""
    found = report(stream=replace(STREAM, **changes))
    assert found.grade is grade
    assert len(bad(found)) == (0 if grade is Grade.OK else 1)


def test_an_old_recovery_is_a_warning_that_says_what_it_waits_for() -> None:
    """The remedy is the command that shows the rest."""
    waits = tuple(f"step {number} runs" for number in range(5))
    young = OpenRecoveries(
        count=2, oldest="one", opened=NOW - HOUR / 2, about="service.failed", waits_for=waits
    )
    assert report(recoveries=young).grade is Grade.OK
    [finding] = bad(report(recoveries=replace(young, opened=NOW - 2 * HOUR)))
    assert finding.grade is Grade.WARNING
    assert finding.says.endswith("waits: step 0 runs; step 1 runs; step 2 runs; 2 more")
    assert finding.remedy == "antiphon trace one"


def test_a_recovery_that_waits_for_a_group_nobody_registered_is_a_problem() -> None:
    """It would wait for ever; one that no handler has heard yet ends by itself."""
    waits = OpenRecoveries(
        count=1, oldest="one", opened=NOW, about="", groups=frozenset({"orders.gone", "?"})
    )
    [finding] = bad(report(recoveries=waits))
    assert (finding.grade, finding.about) == (Grade.PROBLEM, "orders.gone")
    assert finding.remedy.endswith("antiphon groups retire orders.gone")


def test_the_worst_finding_grades_the_report() -> None:
    """One problem outweighs any number of warnings."""
    found = report(replace(SERVER, appendonly=False, role="slave"), dead_letters=3)
    assert found.grade is Grade.PROBLEM
    assert (found.count(Grade.PROBLEM), found.count(Grade.WARNING)) == (1, 2)
    document = found.to_dict()
    assert document["grade"] == "problem"
    assert document["groups"][0]["group"] == "orders.restart"
