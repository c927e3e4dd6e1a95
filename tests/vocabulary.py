"""Events that a test defines, and the envelopes they come in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from antiphon_events import Envelope, registry, upcasters

TIME = datetime(2026, 1, 31, 12, tzinfo=UTC)


@contextmanager
def own_vocabulary() -> Iterator[None]:
    """Forget the events and upcasters that are defined meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        classes = {name: dict(versions) for name, versions in registry._classes.items()}
        patch.setattr(registry, "_classes", classes)
        patch.setattr(registry, "_current", dict(registry._current))
        patch.setattr(upcasters, "_steps", dict(upcasters._steps))
        yield


def envelope_of(
    type: str = "service.failed",  # noqa: A002
    version: int = 1,
    subject: str = "orders-db",
) -> Envelope:
    return Envelope(
        id="e-1",
        source="test",
        type=type,
        subject=subject,
        time=TIME,
        version=version,
        correlation_id="c-1",
    )
