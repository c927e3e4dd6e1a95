"""``antiphon graph``: a choreography as text, as a drawing and as JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon import Settings
from dot import drawn_by_dot
from program import antiphon

_SHOP = """
from antiphon import Breaker, Joined, Service, n_of
from antiphon_events import *

db = Service("db")
web = Service("web", rate="9/1s")

@db.on(DatabaseFailed.about("orders", 'the "old" one'), budget="3/10m", exclusive=True)
async def restore(failed: DatabaseFailed) -> DatabaseRestored | CacheLost: ...

@web.on(n_of(2, DatabaseRestored.about("orders"), CacheLost, RecoveryHalted), timeout=None)
async def reopen(joined: Joined): ...

@web.on(ServiceDegraded.where(bool), rate="30/1m", breaker=Breaker("front"), max_visits=2)
def close(degraded: ServiceDegraded) -> None: ...
"""
_TEXT = """\
2 services, 3 handlers, 1 join, 6 events

db.restore
  reacts to       database.failed about orders or the "old" one
  completes with  database.restored
                  cache.lost
  guards          budget 3/10m, exclusive {subject}, attempts 5, timeout 5m

web.reopen
  waits for       2 of 3:
                  database.restored about orders
                  cache.lost
                  recovery.halted
  completes with  something it does not say
  guards          service rate 9/1s, attempts 5, timeout none

web.close
  reacts to       service.degraded on a condition
  completes with  nothing
  guards          rate 30/1m, service rate 9/1s, breaker front, max visits 2, attempts 5, timeout 5m

database.failed about orders
  comes from  outside
  heard by    db.restore

database.failed about the "old" one
  comes from  outside
  heard by    db.restore

database.restored about orders
  comes from  db.restore
  heard by    web.reopen

cache.lost
  comes from  outside
              db.restore
  heard by    web.reopen

recovery.halted
  comes from  Antiphon
  heard by    web.reopen

service.degraded
  comes from  outside
  heard by    web.close
"""
_MERMAID = """\
flowchart LR
  e0(["database.failed<br/>about orders"])
  e1(["database.failed<br/>about the #34;old#34; one"])
  e2("database.restored<br/>about orders")
  e3(["cache.lost"])
  e4(["recovery.halted"])
  e5(["service.degraded"])
  j1{{"2 of 3"}}
  h0["db.restore<br/>budget 3/10m<br/>exclusive #123;subject#125;<br/>attempts 5<br/>timeout 5m"]
  h1["web.reopen<br/>service rate 9/1s<br/>attempts 5<br/>timeout none"]
  h2["web.close<br/>rate 30/1m<br/>service rate 9/1s<br/>breaker front<br/>max visits 2<br/>\
attempts 5<br/>timeout 5m"]
  e0 --> h0
  e1 --> h0
  e2 --> j1
  e3 --> j1
  e4 --> j1
  e5 --> h2
  j1 --> h1
  h0 -.-> e2
  h0 --> e3
  classDef failure stroke:#c0392b
  class e0,e1,e3,e5 failure
  classDef lifecycle stroke:#7f8c8d
  class e4 lifecycle
  classDef handler stroke-width:2px
  class h0,h1,h2 handler
"""
_GRAPHVIZ = r"""digraph choreography {
  rankdir=LR;
  e0 [label="database.failed\nabout orders", shape=ellipse, color=firebrick];
  e1 [label="database.failed\nabout the \"old\" one", shape=ellipse, color=firebrick];
  e2 [label="database.restored\nabout orders", shape=ellipse];
  e3 [label="cache.lost", shape=ellipse, color=firebrick];
  e4 [label="recovery.halted", shape=ellipse, color=gray];
  e5 [label="service.degraded", shape=ellipse, color=firebrick];
  j1 [label="2 of 3", shape=hexagon];
  h0 [label="db.restore\nbudget 3/10m\nexclusive {subject}\nattempts 5\ntimeout 5m", %s];
  h1 [label="web.reopen\nservice rate 9/1s\nattempts 5\ntimeout none", %s];
  h2 [label="web.close\nrate 30/1m\nservice rate 9/1s\nbreaker front\nmax visits 2\n%s", %s];
  e0 -> h0;
  e1 -> h0;
  e2 -> j1;
  e3 -> j1;
  e4 -> j1;
  e5 -> h2;
  j1 -> h1;
  h0 -> e2 [style=dotted];
  h0 -> e3;
}
"""
_BOX = "shape=box, penwidth=2"


@pytest.fixture(autouse=True)
def _shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module in the folder the command is run in."""
    (tmp_path / "corner.py").write_text(_SHOP)
    monkeypatch.chdir(tmp_path)


async def drawn(*options: str) -> str:
    ended = await antiphon(Settings(), "graph", "corner:db", "corner:web", *options)
    assert (ended.status, ended.err) == (0, "")
    return ended.out


async def test_people_read_handlers_and_events() -> None:
    """What each reacts to, completes with and is bounded by; where each event comes from."""
    assert await drawn() == _TEXT


async def test_it_is_a_mermaid_flowchart() -> None:
    """What a label could be taken for is escaped; what depends on a subject is dotted."""
    assert await drawn("--format", "mermaid") == _MERMAID


async def test_it_is_a_graph_for_graphviz() -> None:
    """The same picture in another language."""
    graph = await drawn("--format", "graphviz")
    assert graph == _GRAPHVIZ % (_BOX, _BOX, r"attempts 5\ntimeout 5m", _BOX)
    await drawn_by_dot(graph)


async def test_it_is_json_for_programs() -> None:
    """Handlers with their places, events with where they come from, and what leads to what."""
    ended = await antiphon(Settings(), "graph", "corner:db", "corner:web", "--format", "json")
    document = ended.document
    assert document["services"] == ["db", "web"]
    assert document["handlers"][1] == {
        "group": "web.reopen",
        "service": "web",
        "file": "corner.py",
        "line": 11,
        "reacts_to": [
            {"type": "database.restored", "subjects": ["orders"], "conditional": False},
            {"type": "cache.lost", "subjects": [], "conditional": False},
            {"type": "recovery.halted", "subjects": [], "conditional": False},
        ],
        "join": {"kind": "2 of 3", "needed": 2, "of": 3, "within": None, "losers": "ignore"},
        "approval": None,
        "completes_with": [],
        "later": [],
        "on_failure": [],
        "starts": [],
        "undo": None,
        "vague": True,
        "guards": {"service_rate": "9/1s", "attempts": "5", "timeout": "none"},
    }
    assert document["handlers"][2]["reacts_to"][0]["conditional"] is True
    assert document["events"][3] == {
        "type": "cache.lost",
        "subject": None,
        "kind": "failure",
        "from": ["db.restore"],
        "heard_by": ["web.reopen"],
    }
    assert {"event": "cache.lost", "triggers": "web.reopen"} in document["edges"]
    assert {
        "handler": "db.restore", "publishes": "database.restored about orders",
        "how": "publishes", "sure": False,
    } in document["edges"]  # fmt: skip
    assert document["goals"] == []


async def test_a_service_without_handlers_is_no_mistake(tmp_path: Path) -> None:
    """It takes no part."""
    (tmp_path / "empty.py").write_text('from antiphon import Service\nidle = Service("idle")\n')
    ended = await antiphon(Settings(), "graph", "empty:idle")
    assert ended.out == "1 service, 0 handlers, 0 joins, 0 events\n"


async def test_a_module_that_does_not_load_is_one_line(tmp_path: Path) -> None:
    """With the place where it went wrong."""
    (tmp_path / "broken.py").write_text("from antiphon import Service\n1 / 0\n")
    ended = await antiphon(Settings(), "graph", "broken:db")
    assert (ended.status, ended.out) == (2, "")
    assert ended.complaint.endswith("ZeroDivisionError: division by zero (broken.py:2)")
