"""Recording must never stop what is recorded: a fault of somebody's tracer costs a span alone."""

from __future__ import annotations

from types import TracebackType

from antiphon.outcome import describe
from antiphon.telemetry.logging import get_logger


class Harmless:
    """A block whose errors are said once and go no further."""

    __slots__ = ("_log", "_said")

    def __init__(self) -> None:
        self._log = get_logger()
        self._said = False

    def __enter__(self) -> None:
        return

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        if not self._said:
            self._said = True
            self._log.error("spans.failed", error=describe(error), exc_info=error)
        return True
