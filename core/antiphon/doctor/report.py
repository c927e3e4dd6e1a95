"""The report: every finding about a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from antiphon.doctor import groups, guards, recoveries, server, streams
from antiphon.doctor.facts import Facts
from antiphon.doctor.finding import Finding, Grade


@dataclass(frozen=True, slots=True)
class Report:
    """What the doctor found, and the facts it rests on."""

    facts: Facts
    findings: tuple[Finding, ...]

    @classmethod
    def on(cls, facts: Facts) -> Report:
        """Judge the facts."""
        return cls(
            facts,
            (
                *server.examine(facts),
                *groups.examine(facts),
                *streams.examine(facts),
                *recoveries.examine(facts),
                *guards.examine(facts),
            ),
        )

    @property
    def grade(self) -> Grade:
        """The worst grade of all."""
        grades = {finding.grade for finding in self.findings}
        return max(grades, key=list(Grade).index, default=Grade.OK)

    def count(self, grade: Grade) -> int:
        """How many findings have this grade."""
        return sum(finding.grade == grade for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        findings = [finding.to_dict() for finding in self.findings]
        return {"grade": self.grade.value, "findings": findings, **self.facts.to_dict()}
