"""A fault of somebody's tracer goes no further; what stops a program does."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.telemetry.harmless import Harmless


def test_an_error_goes_no_further() -> None:
    """However often there is one; what follows in the block is left out."""
    harmless = Harmless()
    for _ in range(3):
        with harmless:
            raise RuntimeError("the tracer is broken")


@pytest.mark.parametrize("stops", [asyncio.CancelledError, KeyboardInterrupt, SystemExit])
def test_what_stops_a_program_stops_it(stops: type[BaseException]) -> None:
    """A step that is cancelled while it is recorded does not go on."""
    with pytest.raises(stops), Harmless():
        raise stops
