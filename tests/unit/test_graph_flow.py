"""``antiphon graph`` of a flow: what waits, is put off, and is undone, in each form."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon import Settings
from dot import drawn_by_dot
from program import Ended, antiphon

_FLOW = """
from antiphon import Approval, Joined, Recovery, Service, any_of
from antiphon_events import *

db, web = Service("db"), Service("web")
db.goal(DatabaseFailed.about("orders"), ServiceRecovered)

def put_back(failed: DatabaseFailed) -> None: ...

@db.on(
    DatabaseFailed,
    approval=Approval(("ana", "ben"), then=(("carol",),), quorum=2, within="5m", otherwise="deny"),
    on_failure=CacheLost,
    undo=put_back,
)
async def restore(failed: DatabaseFailed, recovery: Recovery) -> DatabaseRestored:
    recovery.publish(CacheWarmed(subject="cache"), after="30s")
    recovery.start(ServiceFailed(subject="api"))

@web.on(
    any_of(DatabaseRestored, CacheWarmed, losers="cancel"), within="10m", approval=Approval()
)
async def reopen(joined: Joined) -> ServiceRecovered: ...
"""
_TEXT = """\
2 services, 2 handlers, 1 join, 8 events

db.restore
  reacts to       database.failed
  approval        2 of ana, ben
                  after 5m also carol
                  after 5m deny
  completes with  database.restored
                  cache.warmed after 30s
  starts          service.failed, as a child recovery
  on failure      cache.lost
  undone by       put_back
  guards          attempts 5, timeout 5m

web.reopen
  waits for       any of 2:
                  database.restored
                  cache.warmed
  at most         10m, then join.timed_out
  losers          do not begin any more
  approval        anybody
                  after 15m escalate
  completes with  service.recovered
  guards          attempts 5, timeout 5m

database.failed
  comes from  outside
  heard by    db.restore

database.restored
  comes from  db.restore
  heard by    web.reopen

cache.warmed
  comes from  db.restore, after 30s
  heard by    web.reopen

cache.lost
  comes from  outside
              db.restore, on failure
  heard by    nobody

service.failed
  comes from  outside
              db.restore, as a child recovery
  heard by    nobody

child.closed
  comes from  Antiphon
              db.restore, when a child is over
  heard by    nobody

service.recovered
  comes from  web.reopen
  heard by    nobody

join.timed_out
  comes from  Antiphon
              web.reopen, on timeout
  heard by    nobody

goal of db
  from  database.failed about orders
  to    service.recovered
"""
_MERMAID = """\
flowchart LR
  e0(["database.failed"])
  e1("database.restored")
  e2("cache.warmed")
  e3(["cache.lost"])
  e4(["service.failed"])
  e5(["child.closed"])
  e6("service.recovered<br/>goal")
  e7(["join.timed_out"])
  a0[/"approval<br/>2 of ana, ben<br/>after 5m also carol<br/>after 5m deny"/]
  j1{{"any of 2<br/>at most 10m<br/>losers do not begin"}}
  a1[/"approval<br/>anybody<br/>after 15m escalate"/]
  h0["db.restore<br/>attempts 5<br/>timeout 5m"]
  h1["web.reopen<br/>attempts 5<br/>timeout 5m"]
  u0>"undo: put_back"]
  e0 --> a0
  e1 --> j1
  e2 --> j1
  a0 --> h0
  j1 --> a1
  a1 --> h1
  h0 --> e1
  h0 -->|"after 30s"| e2
  h0 ==>|"on failure"| e3
  h0 -->|"starts a child"| e4
  h0 --> e5
  h1 --> e6
  j1 ==>|"too late"| e7
  u0 -.->|"undoes"| h0
  classDef failure stroke:#c0392b
  class e0,e3,e4 failure
  classDef lifecycle stroke:#7f8c8d
  class e5,e7 lifecycle
  classDef handler stroke-width:2px
  class h0,h1 handler
"""
_GRAPHVIZ = r"""
  a0 [label="approval\n2 of ana, ben\nafter 5m also carol\nafter 5m deny", shape=parallelogram];
  u0 [label="undo: put_back", shape=note];
  h0 -> e2 [label="after 30s"];
  h0 -> e3 [style=bold, color=firebrick, label="on failure"];
  h0 -> e4 [label="starts a child"];
  j1 -> e7 [style=bold, color=firebrick, label="too late"];
  u0 -> h0 [style=dashed, constraint=false, label="undoes"];
"""


@pytest.fixture(autouse=True)
def _flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module in the folder the command is run in."""
    (tmp_path / "flow.py").write_text(_FLOW)
    monkeypatch.chdir(tmp_path)


async def flowing(*options: str) -> Ended:
    ended = await antiphon(Settings(), "graph", "flow:db", "flow:web", *options)
    assert (ended.status, ended.err) == (0, "")
    return ended


async def test_people_read_the_flow() -> None:
    """What a step waits for, and what follows when it does not end well."""
    assert (await flowing()).out == _TEXT


async def test_the_flow_is_drawn() -> None:
    """People, undoing and deaths look unlike the rest."""
    assert (await flowing("--format", "mermaid")).out == _MERMAID
    graph = (await flowing("--format", "graphviz")).out
    for line in _GRAPHVIZ.strip("\n").splitlines():
        assert line in graph.splitlines()
    await drawn_by_dot(graph)


async def test_the_flow_is_json_for_programs() -> None:
    """With the goals and their places."""
    document = (await flowing("--format", "json")).document
    restore, reopen = document["handlers"]
    assert restore["approval"] == {
        "tiers": [["ana", "ben"], ["carol"]],
        "quorum": 2,
        "within": "5m",
        "otherwise": "deny",
    }
    assert restore["completes_with"] == ["database.restored", "cache.warmed"]
    assert restore["later"] == [{"type": "cache.warmed", "after": "30s"}]
    assert (restore["on_failure"], restore["starts"]) == (["cache.lost"], ["service.failed"])
    assert (restore["undo"], reopen["undo"]) == ("put_back", None)
    assert reopen["join"] == {
        "kind": "any of 2", "needed": 1, "of": 2, "within": "10m", "losers": "cancel",
    }  # fmt: skip
    assert [edge["how"] for edge in document["edges"] if "how" in edge] == [
        "publishes", "publishes later", "on failure", "starts", "when a child is over",
        "publishes", "on timeout",
    ]  # fmt: skip
    assert document["goals"] == [
        {
            "service": "db",
            "file": "flow.py",
            "line": 6,
            "failure": {"type": "database.failed", "subjects": ["orders"], "conditional": False},
            "completion": {"type": "service.recovered", "subjects": [], "conditional": False},
        }
    ]
