"""The failures that are published: who they are about, and why."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

#: Makes ``{"reason":"..."}`` 300 bytes, about what a health probe has to say.
REASON = "connection refused by 10.0.4.17:5432 after 3 probes; ".ljust(287, ".")


def subjects(count: int) -> Iterator[str]:
    """Yield names of things that failed, never the same twice.

    Distinct subjects keep every failure a recovery of its own.
    """
    run = uuid4().hex[:8]
    for number in range(count):
        yield f"shop-{run}-{number}"
