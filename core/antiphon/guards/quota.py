"""A quota: at most so many within a window that slides.

The count is exact. The instants of the last uses are kept, and the window ends now: there is no
moment at which the count starts anew, so no window of that length ever holds more than the limit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

from antiphon.duration import duration, format_duration
from antiphon.errors import ConfigurationError

_TEXT = re.compile(r"\s*([0-9]{1,9})\s*/\s*(.+?)\s*")
_MOST = 100_000
"""Each use within the window is remembered on the server."""


@dataclass(frozen=True, slots=True, init=False)
class Quota:
    """At most `limit` uses within any window of length `per`.

    Raises:
        ConfigurationError: the limit is not from 1 to 100,000, or the window is not a duration
            of a millisecond or more.
    """

    limit: int
    per: timedelta

    def __init__(self, limit: int, *, per: str | timedelta) -> None:
        if not 1 <= limit <= _MOST:
            raise ConfigurationError(f"a limit of {limit} is not from 1 to {_MOST:,}")
        try:
            window = duration(per)
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
        if window < timedelta(milliseconds=1):
            raise ConfigurationError(f"{per!r} is no window to count in: use 1ms or more")
        object.__setattr__(self, "limit", limit)
        object.__setattr__(self, "per", window)

    def __str__(self) -> str:
        return f"{self.limit}/{format_duration(self.per)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read text such as ``"30/1m"``.

        Raises:
            ConfigurationError: it is not a number, a slash and a duration.
        """
        match = _TEXT.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ConfigurationError(f"{text!r} is not a quota: write it like '30/1m' or '3/10m'")
        return cls(int(match[1]), per=match[2])

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Let settings hold quotas, read from text."""

        def read(value: object) -> Quota:
            if isinstance(value, Quota):
                return value
            try:
                return cls.parse(value)  # type: ignore[arg-type]  # parse refuses what is no text
            except ConfigurationError as error:
                raise ValueError(str(error)) from error

        return core_schema.no_info_plain_validator_function(
            read, serialization=core_schema.to_string_ser_schema()
        )


@dataclass(frozen=True, slots=True, init=False)
class Budget(Quota):
    """A restart budget: how often an action may be tried on one subject, whoever asks.

    Every attempt counts, also one that failed: a restart that raised may well have restarted.
    It is shared by all recoveries, services and replicas of the cell that name the same action.
    Source: the restart intensity of Erlang/OTP supervisors.
    """

    action: str | None
    """What is counted; the handler's name unless given."""

    def __init__(
        self, limit: int = 3, *, per: str | timedelta = "10m", action: str | None = None
    ) -> None:
        Quota.__init__(self, limit, per=per)
        if action is not None and (not action or ":" in action or "|" in action):
            raise ConfigurationError(f"action {action!r} is not a name: leave out ':' and '|'")
        object.__setattr__(self, "action", action)


def quota(value: Quota | str | None) -> Quota | None:
    """Read a quota given in code: itself, text, or none.

    Raises:
        ConfigurationError: the text is no quota.
    """
    return Quota.parse(value) if isinstance(value, str) else value


def budget_of(value: Budget | str | None) -> Budget | None:
    """Read a budget given in code: itself, text, or none.

    Raises:
        ConfigurationError: the text is no quota.
    """
    return Budget.parse(value) if isinstance(value, str) else value
