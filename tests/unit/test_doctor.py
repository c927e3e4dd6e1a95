"""The doctor's judgement, from plain facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from antiphon.census import Census, GroupCensus, Place, StreamCensus
from antiphon.doctor import Facts, Finding, Grade, OpenRecoveries, Report, Server, limits
from antiphon.guards.scope import Scope
from antiphon.guards.state import (
    RELAPSE_GUARD,
    BreakerState,
    Escalation,
    GuardState,
    Held,
    Pause,
    Window,
)
from antiphon.settings import Settings

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
    known = {
        "settings": {},
        "dead_letters": 0,
        "recoveries": OpenRecoveries(count=0),
        "guards": GuardState(taken=NOW),
        **facts,
    }
    return Report.on(Facts(cell="antiphon", server=server, census=census, **known))


def bad(found: Report) -> list[Finding]:
    return [finding for finding in found.findings if finding.grade is not Grade.OK]


def test_a_sound_cell_has_no_findings_but_good_ones() -> None:
    """What is as it should be is said too, so that nobody wonders whether it was looked at."""
    found = report()
    assert found.grade is Grade.OK
    assert bad(found) == []
    looked_at = {finding.about for finding in found.findings}
    assert looked_at >= {"server", "orders.restart", "streams", "guards"}


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
    """It would wait for ever; what no handler has heard, or no group is needed for, does not."""
    groups = frozenset({"orders.gone", "?", ""})
    waits = OpenRecoveries(count=1, oldest="one", opened=NOW, about="", groups=groups)
    [finding] = bad(report(recoveries=waits))
    assert (finding.grade, finding.about) == (Grade.PROBLEM, "orders.gone")
    assert finding.remedy.endswith("antiphon groups retire orders.gone")


PAUSE = Pause(scope=Scope("subject:api"), by="anna", since=NOW - HOUR, reason="deploy")
BREAKER = BreakerState(
    name="payments",
    state="open",
    failures=5,
    fail_max=5,
    reset_timeout=timedelta(minutes=1),
    opened=NOW,
    until=NOW + timedelta(seconds=30),
    probe="",
)
BUDGET = Window(
    kind="budget", name="restart:api", limit=3, window=HOUR, used=3, opens=NOW + HOUR / 2
)
ESCALATION = Escalation(
    correlation_id="one", subject="api", reason="it loops", tier=1, since=NOW, next=NOW + HOUR
)


def held(guard: str, name: str) -> Held:
    return Held(guard=guard, name=name, count=1, since=NOW)


@pytest.mark.parametrize(
    ("state", "grade", "says"),
    [
        (
            {"pauses": (PAUSE,), "held": (held("pause", "subject:api"), held("pause", "*"))},
            Grade.WARNING,
            "the subject api for 1h 00m, by anna: deploy; 1 delivery is held",
        ),
        (
            {"pauses": (replace(PAUSE, by=RELAPSE_GUARD, since=None, reason=""),)},
            Grade.PROBLEM,
            "the subject api, by relapse guard; 0 deliveries are held",
        ),
        (
            {"breakers": (BREAKER,), "held": (held("breaker", "payments"),)},
            Grade.WARNING,
            "payments is open; the next probe may start in 30.0 s; 1 delivery is held",
        ),
        (
            {"breakers": (replace(BREAKER, until=NOW),)},
            Grade.WARNING,
            "payments is open; the next delivery probes; 0 deliveries are held",
        ),
        (
            {"breakers": (replace(BREAKER, state="half-open"),)},
            Grade.WARNING,
            "payments is half-open; one delivery probes; 0 deliveries are held",
        ),
        (
            {"windows": (BUDGET,)},
            Grade.WARNING,
            "restart:api: 3 of 3 attempts within 1h are used; there is room in 30m 00s",
        ),
        (
            {"escalations": (ESCALATION,), "unacknowledged": 1},
            Grade.PROBLEM,
            "one about api needs a person: it loops (tier 1, told 0 ms ago, the next in 1h 00m)",
        ),
    ],
)
def test_a_guard_that_holds_something_up_is_a_finding(
    state: dict[str, Any], grade: Grade, says: str
) -> None:
    """What a person paused or frees itself is a warning; what waits for a person a problem."""
    [finding] = bad(report(guards=GuardState(taken=NOW, **state)))
    assert (finding.grade, finding.says) == (grade, says)
    assert finding.remedy


def test_a_guard_that_only_counts_is_no_finding() -> None:
    """Closed breakers, budgets with room and full rates are guards at their work."""
    windows = (replace(BUDGET, used=2, opens=None), replace(BUDGET, kind="rate"))
    state = GuardState(taken=NOW, breakers=(replace(BREAKER, state="closed"),), windows=windows)
    assert bad(report(guards=state)) == []


def test_many_escalations_are_named_in_part_and_counted() -> None:
    """A storm of them must not hide everything else."""
    state = GuardState(taken=NOW, escalations=(ESCALATION,) * 50, unacknowledged=80)
    *named, rest = bad(report(guards=state))
    assert len(named) == 5
    assert rest.says == "75 more that nobody has acknowledged"


def test_the_guards_settings_are_told_in_words() -> None:
    """What is off is said too, and of a handler or service only what differs."""
    assert dict(limits(Settings().model_dump(mode="json"))) == {
        "same failure again": "joins the open recovery",
        "oldest failure": "1h",
        "recovery": "16 hops, 256 events, 3 runs per handler and subject",
        "rate of the cell": "off",
        "relapses": "3/1h, each within 10m of a success",
        "storm brake": "50/1m subjects",
        "escalation": "tier 1 at once, tier 2 after 15m, tier 3 after 30m",
    }
    given = {
        **Settings(max_age=None, hold=None, storm=None, coalesce=False).model_dump(mode="json"),
        "handlers": {"orders.restart": {"budget": "2/1h", "rate": None}, "orders.page": {}},
        "services": {"orders": {"rate": "100/1m"}},
    }
    told = dict(limits(given))
    assert (told["oldest failure"], told["relapses"], told["storm brake"]) == ("off",) * 3
    assert told["same failure again"] == "on its own"
    assert told["handler orders.restart"] == "budget 2/1h, rate off"
    assert told["handler orders.page"] == "as the code says"
    assert told["service orders"] == "rate 100/1m"


def test_the_worst_finding_grades_the_report() -> None:
    """One problem outweighs any number of warnings."""
    found = report(replace(SERVER, appendonly=False, role="slave"), dead_letters=3)
    assert found.grade is Grade.PROBLEM
    assert (found.count(Grade.PROBLEM), found.count(Grade.WARNING)) == (1, 2)
    document = found.to_dict()
    assert document["grade"] == "problem"
    assert document["groups"][0]["group"] == "orders.restart"
