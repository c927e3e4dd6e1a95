"""The doctor: what is wrong with a cell or its server, and what to do about it."""

from antiphon.doctor.facts import Facts, OpenRecoveries, Server
from antiphon.doctor.finding import Finding, Grade
from antiphon.doctor.limits import GUARD_SETTINGS, limits
from antiphon.doctor.report import Report

__all__ = [
    "GUARD_SETTINGS",
    "Facts",
    "Finding",
    "Grade",
    "OpenRecoveries",
    "Report",
    "Server",
    "limits",
]
