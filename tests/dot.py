"""Graphviz, where it is installed, as a reader of graphs."""

from __future__ import annotations

import asyncio
import shutil
import subprocess


async def drawn_by_dot(graph: str) -> None:
    """Have Graphviz draw it, if it is there.

    Raises:
        subprocess.CalledProcessError: It cannot read the graph.
    """
    if dot := shutil.which("dot"):
        await asyncio.to_thread(
            subprocess.run, [dot, "-Tsvg"], input=graph.encode(), capture_output=True, check=True
        )
