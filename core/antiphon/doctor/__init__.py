"""The doctor: what is wrong with a cell or its server, and what to do about it."""

from antiphon.doctor.facts import Facts, OpenRecoveries, Server
from antiphon.doctor.finding import Finding, Grade
from antiphon.doctor.report import Report

__all__ = ["Facts", "Finding", "Grade", "OpenRecoveries", "Report", "Server"]
