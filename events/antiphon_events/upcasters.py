"""Upcasters: steps that turn the data of an older version into the next version's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Upcast = Callable[[dict[str, Any]], dict[str, Any]]
"""One step: the data as JSON values in, the next version's data out."""


class MissingUpcaster(LookupError):
    """No step is registered from some version to the one after it."""


_steps: dict[tuple[str, int], Upcast] = {}


def upcaster(type: str, from_version: int) -> Callable[[Upcast], Upcast]:  # noqa: A002
    """Register the step from a version of a type to the version after it.

    The step gets a dict of its own and may change it; it must return the new data.

    Example:
        >>> @upcaster("service.failed", from_version=1)
        ... def rename_cause(data):
        ...     data["reason"] = data.pop("cause", "")
        ...     return data

    Raises:
        TypeError: Another function already makes this step.
    """

    def register(step: Upcast) -> Upcast:
        other = _steps.get((type, from_version))
        if other is not None and _name(other) != _name(step):
            raise TypeError(
                f"{_name(step)} and {_name(other)} both upcast {type!r} from version "
                f"{from_version}; keep one"
            )
        _steps[type, from_version] = step
        return step

    return register


def upcast(type: str, data: dict[str, Any], *, version: int, to: int) -> dict[str, Any]:  # noqa: A002
    """Take data of a version, step by step, to a newer one.

    Raises:
        MissingUpcaster: A step is not registered.
    """
    for step_from in range(version, to):
        step = _steps.get((type, step_from))
        if step is None:
            raise MissingUpcaster(
                f"no upcaster takes {type!r} from version {step_from} to {step_from + 1}; "
                f"register one with @upcaster({type!r}, {step_from})"
            )
        data = step(data)
    return data


def _name(step: Upcast) -> str:
    return f"{step.__module__}.{step.__qualname__}"
