"""Pictures of stories, as lines of text."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from antiphon.trace import Trace
from antiphon.trace.picture import Picture
from trace_story import Story


def drawn(
    trace: Trace, *, width: int = 80, encoding: str = "utf-8", full_scale: bool = False
) -> list[str]:
    """Draw as to a file: no terminal, no colours."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    Console(file=file, width=width).print(Picture(trace, full_scale=full_scale))
    file.seek(0)
    return file.read().splitlines()


def of(story: Story) -> Trace:
    return Trace.from_logs(story.lines, story.correlation_id)


def from_ledger(story: Story) -> Trace:
    """Build it as `antiphon trace` does, with the id the summary brings."""
    trace = Trace.from_ledger(story.entries())
    named = replace(trace.summary, correlation_id=story.correlation_id)
    return Trace.from_ledger(story.entries(), summary=named)
