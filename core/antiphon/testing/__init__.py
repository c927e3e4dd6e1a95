"""The kit with which the authors of handlers test them, on a server of the test's own."""

from antiphon.testing.cell import Cell
from antiphon.testing.duplicated import NotIdempotent, duplicated
from antiphon.testing.expectation import Expectation, Unmet, expect
from antiphon.testing.server import temporary_server
from antiphon.testing.unreliable import unreliable

__all__ = [
    "Cell",
    "Expectation",
    "NotIdempotent",
    "Unmet",
    "duplicated",
    "expect",
    "temporary_server",
    "unreliable",
]
