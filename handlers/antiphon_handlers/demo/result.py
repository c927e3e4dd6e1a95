"""What the demo found out, and how it says so as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from antiphon.trace import Step, Trace


class Report(Protocol):
    """What any of the demos found out."""

    @property
    def succeeded(self) -> bool:
        """Whether it ended as it should."""

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""

    def epilogue(self) -> Iterator[str]:
        """Say how it ended, line by line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run of the demo, from the failure to the order placed afterwards.

    Attributes:
        trace: the recovery, from its record.
        logs_agree: whether the log lines alone tell the same.
        order: the order placed afterwards, as the shop confirmed it.
        earlier_order_kept: whether the order placed before the failure can be looked up again.
        pids: who was killed, who serves and who works, each by name.
    """

    trace: Trace
    logs_agree: bool
    order: dict[str, Any]
    earlier_order_kept: bool
    pids: dict[str, dict[str, int]]

    @property
    def succeeded(self) -> bool:
        """Whether the shop recovered by itself, and sells again."""
        sells = "id" in self.order and self.earlier_order_kept
        return self.trace.verdict == "completed" and sells

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON: durations in milliseconds."""
        trace = self.trace
        return {
            "correlation_id": trace.correlation_id,
            "verdict": trace.verdict,
            "duration_ms": _ms(trace.duration),
            "steps": [_step(step, trace) for step in trace.steps],
            "pids": self.pids,
            "order": {"id": self.order.get("id"), "placed": "id" in self.order},
            "earlier_order": {"kept": self.earlier_order_kept},
            "logs": {"from_logs_agrees": self.logs_agree},
        }

    def epilogue(self) -> Iterator[str]:
        """Say how it ended."""
        agreed = "tell the same story" if self.logs_agree else "do NOT tell the same story"
        yield f"The log files alone {agreed} as the record."
        yield f"Order {self.order['id']} was placed on the reopened front page."
        kept = "is still there" if self.earlier_order_kept else "is LOST"
        yield f"The order placed before the failure {kept}."


def agree(trace: Trace, logs: Iterable[Path]) -> bool:
    """Whether the log files alone tell the same story: events, steps, attempts and verdict."""
    lines = (line for log in logs for line in log.read_bytes().splitlines())
    return _story(Trace.from_logs(lines, trace.correlation_id)) == _story(trace)


def _story(trace: Trace) -> tuple[object, ...]:
    events = {(event.id, event.type, event.subject, event.cause) for event in trace.events}
    steps = {
        (step.group, step.event_id, step.outcome, len(step.attempts), step.published)
        for step in trace.steps
    }
    return trace.verdict, events, steps


def _step(step: Step, trace: Trace) -> dict[str, Any]:
    return {
        "handler": step.group,
        "event_type": step.event_type,
        "attempts": len(step.attempts),
        "consumer": step.attempts[-1].consumer if step.attempts else None,
        "outcome": step.outcome.value,
        "duration_ms": _ms(step.lasted(trace.as_of)),
    }


def _ms(length: timedelta) -> int:
    return round(length / timedelta(milliseconds=1))
