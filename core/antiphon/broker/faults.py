"""What went wrong at the server, as a decision: it will pass, or it will not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    ConnectionError,  # noqa: A004
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004
    TryAgainError,
)

from antiphon.errors import AntiphonError, ConfigurationError, StreamUnavailable

_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _DOUBLINGS = 0.05, 1.0, 6
_PASSING = (
    ClusterDownError,
    ConnectionError,
    OSError,
    OutOfMemoryError,
    ReadOnlyError,
    TimeoutError,
    TryAgainError,
)
_PASSING_CODES = ("BUSY ", "FAILOVER", "MISCONF", "NOREPLICAS", "UNBLOCKED")


class ScriptFailed(AntiphonError):
    """Redis refused a script, and would refuse it again."""


def passing(error: Exception) -> bool:
    """Whether the same command may succeed later with nobody changing anything in our code."""
    if isinstance(error, AuthenticationError | NoPermissionError):
        return False
    if isinstance(error, _PASSING):
        return True
    return isinstance(error, ResponseError) and str(error).startswith(_PASSING_CODES)


SERVER_ERRORS = (RedisError, OSError)
"""What talking to the server may raise."""


def group_lost(error: Exception) -> bool:
    """Whether a consumer group or its stream vanished under a read."""
    text = str(error)
    return "NOGROUP" in text or "no longer exists" in text


def translated(error: Exception, doing: str) -> AntiphonError:
    """An error that will not pass, in Antiphon's words."""
    refused = isinstance(error, AuthenticationError | NoPermissionError)
    kind = ConfigurationError if refused else ScriptFailed
    translation = kind(f"{doing}: {error}")
    translation.__cause__ = error
    return translation


@contextmanager
def telling(doing: str) -> Iterator[None]:
    """Let the server's errors out of a piece of work in Antiphon's words.

    Raises:
        StreamUnavailable: the server cannot be reached, or cannot answer now.
        ConfigurationError: it refuses our name, password or permissions.
        ScriptFailed: it refuses the command.
    """
    try:
        yield
    except SERVER_ERRORS as error:
        if passing(error):
            raise StreamUnavailable(f"{doing}: {error}") from error
        raise translated(error, doing) from error


def pause_s(failures: int) -> float:
    """Seconds to wait after so many failures in a row, with full jitter.

    Source: AWS Architecture Blog, *Exponential Backoff and Jitter*.
    """
    ceiling = _FIRST_PAUSE_S * 2 ** min(failures - 1, _DOUBLINGS)
    return random.uniform(0, min(ceiling, _LONGEST_PAUSE_S))  # noqa: S311
