"""The choreography: what services do together, read from their handlers' signatures alone.

It is data, and every question about it is a pure function; no server is asked and nothing runs.
"""

from antiphon.choreography.acceptance import accept
from antiphon.choreography.checks import examine
from antiphon.choreography.choreography import Choreography
from antiphon.choreography.fact import Fact, Kind
from antiphon.choreography.finding import Code, Finding, Severity
from antiphon.choreography.part import Part, Trigger

__all__ = [
    "Choreography",
    "Code",
    "Fact",
    "Finding",
    "Kind",
    "Part",
    "Severity",
    "Trigger",
    "accept",
    "examine",
]
