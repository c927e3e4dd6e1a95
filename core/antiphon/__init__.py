"""Antiphon: choreographed recovery over Redis Streams. A failure calls; your services answer.

A name is imported when it is first used: a program that only publishes never loads what hosts
handlers, and a command starts at once.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from antiphon.endpoints import Endpoints
    from antiphon.errors import (
        AntiphonError,
        ConfigurationError,
        PermanentError,
        StreamUnavailable,
        TransientError,
    )
    from antiphon.flow.approval import Approval
    from antiphon.flow.join import Join, Joined, all_of, any_of, n_of
    from antiphon.guards.breaker import Breaker, CircuitOpen
    from antiphon.guards.quota import Budget, Quota
    from antiphon.publisher import Publisher, Receipt
    from antiphon.recovery import Recovery
    from antiphon.retry import Retry
    from antiphon.service import Service
    from antiphon.settings import Settings
else:
    # Source: PEP 562. Hidden from type checkers, which would take it to provide any name at all.
    _HOMES = {
        "AntiphonError": "errors",
        "Approval": "flow.approval",
        "Breaker": "guards.breaker",
        "Budget": "guards.quota",
        "CircuitOpen": "guards.breaker",
        "ConfigurationError": "errors",
        "Endpoints": "endpoints",
        "Join": "flow.join",
        "Joined": "flow.join",
        "PermanentError": "errors",
        "Publisher": "publisher",
        "Quota": "guards.quota",
        "Receipt": "publisher",
        "Recovery": "recovery",
        "Retry": "retry",
        "Service": "service",
        "Settings": "settings",
        "StreamUnavailable": "errors",
        "TransientError": "errors",
        "all_of": "flow.join",
        "any_of": "flow.join",
        "n_of": "flow.join",
    }

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415  no name but the public ones in here

        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "AntiphonError",
    "Approval",
    "Breaker",
    "Budget",
    "CircuitOpen",
    "ConfigurationError",
    "Endpoints",
    "Join",
    "Joined",
    "PermanentError",
    "Publisher",
    "Quota",
    "Receipt",
    "Recovery",
    "Retry",
    "Service",
    "Settings",
    "StreamUnavailable",
    "TransientError",
    "all_of",
    "any_of",
    "n_of",
]
