"""The choreography: what services do together, read from their handlers, and from nothing else.

It is data, and every question about it is a pure function; no server is asked and nothing runs.
"""

from antiphon.choreography.acceptance import accept
from antiphon.choreography.aim import Aim
from antiphon.choreography.checks import examine
from antiphon.choreography.choreography import Choreography
from antiphon.choreography.emission import Emission, How
from antiphon.choreography.fact import Fact, Kind
from antiphon.choreography.finding import Code, Finding, Severity
from antiphon.choreography.part import Part, Trigger
from antiphon.choreography.promise import Alternative

__all__ = [
    "Aim",
    "Alternative",
    "Choreography",
    "Code",
    "Emission",
    "Fact",
    "Finding",
    "How",
    "Kind",
    "Part",
    "Severity",
    "Trigger",
    "accept",
    "examine",
]
