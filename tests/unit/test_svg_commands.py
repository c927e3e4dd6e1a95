"""Drawings from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon import Settings
from program import antiphon
from svg import Svg
from trace_story import a_whole_recovery

SHOP = """
from antiphon import Service
from antiphon_events import *

db = Service("db")

@db.on(DatabaseFailed)
async def restore(failed: DatabaseFailed) -> DatabaseRestored: ...
"""


async def test_a_map_is_a_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`antiphon graph --format svg` writes what a browser opens: with its stylesheet."""
    (tmp_path / "shop.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    ended = await antiphon(Settings(), "graph", "shop:db", "--format", "svg")
    assert ended.status == 0
    svg = Svg(ended.out)
    assert "db.restore" in svg.words()
    assert "style" in svg.names


async def test_a_trace_is_drawn_beside_what_it_prints(tmp_path: Path) -> None:
    """`antiphon trace ID --svg FILE`; a place that cannot be written is an error of one line."""
    story = a_whole_recovery()
    log, drawn = tmp_path / "log", tmp_path / "drawn.svg"
    log.write_text(story.text)
    told = (story.correlation_id, "--logs", str(log), "--svg")
    ended = await antiphon(Settings(), "trace", *told, str(drawn))
    assert ended.status == 1, "a partial recovery"
    assert "PARTIAL" in ended.out
    assert "orders-db.restore ★" in Svg(drawn.read_text(encoding="utf-8")).words()
    refused = await antiphon(Settings(), "trace", *told, str(tmp_path / "no" / "drawn.svg"))
    assert refused.status == 2
    assert "cannot write the drawing" in refused.complaint
