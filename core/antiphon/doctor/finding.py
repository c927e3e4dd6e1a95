"""A finding: one thing the doctor looked at, and how it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How bad it is, from good to bad."""

    OK = "ok"
    WARNING = "warning"
    """It may become a problem, or costs something its owner may not know of."""

    PROBLEM = "problem"
    """Something is lost or held up until somebody acts."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one thing."""

    grade: Grade
    about: str
    """A part of the server, a group, a stream, …"""

    says: str
    remedy: str = ""
    """What to do; empty when there is nothing to do."""

    def to_dict(self) -> dict[str, str]:
        """Return the finding for JSON."""
        return {
            "grade": self.grade.value,
            "about": self.about,
            "says": self.says,
            "remedy": self.remedy,
        }
