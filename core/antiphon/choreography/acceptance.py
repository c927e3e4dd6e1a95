"""The acceptance: a finding that its author knows about, with the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from antiphon.choreography.finding import Code
from antiphon.errors import ConfigurationError

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__antiphon_accepted__"


def accept(code: str, *, reason: str) -> Callable[[F], F]:
    """Accept a finding about the decorated handler: it is listed with the reason, and no fault.

    It goes above or below ``@service.on(…)``, and changes nothing about how the handler runs.
    A circle is accepted when one of its handlers accepts it.

    Args:
        code: what is accepted, such as ``"cycle"``; see `Code`.
        reason: why, for whoever reads the code or the findings.

    Raises:
        ConfigurationError: there is no such code, or the reason is empty.
    """
    if code not in set(Code):
        raise ConfigurationError(f"accept({code!r}): there is no such code; {', '.join(Code)} are")
    if not isinstance(reason, str) or not reason.strip():
        raise ConfigurationError(f"accept({code!r}): say why, in reason=")

    def mark(function: F) -> F:
        # A new mapping: a wrapper shares the attributes of what it wraps.
        known: dict[str, str] = getattr(function, _MARK, {})
        setattr(function, _MARK, {**known, str(code): reason.strip()})
        return function

    return mark


def accepted_by(function: Callable[..., Any]) -> tuple[tuple[str, str], ...]:
    """What is accepted for a function: codes and reasons."""
    return tuple(getattr(function, _MARK, {}).items())
