"""Antiphon: choreographed recovery over Redis Streams. A failure calls; your services answer."""

from antiphon.errors import (
    AntiphonError,
    ConfigurationError,
    PermanentError,
    StreamUnavailable,
    TransientError,
)
from antiphon.flow.join import Join, Joined, all_of, any_of, n_of
from antiphon.publisher import Publisher, Receipt
from antiphon.recovery import Recovery
from antiphon.retry import Retry
from antiphon.service import Service
from antiphon.settings import Settings

__all__ = [
    "AntiphonError",
    "ConfigurationError",
    "Join",
    "Joined",
    "PermanentError",
    "Publisher",
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
