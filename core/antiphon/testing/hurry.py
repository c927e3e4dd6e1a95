"""Retries without the wait between them, so that a test of them is quick.

Delays are shortened, and nothing else is: attempts are as many, and what guards count and hold is
counted and held by the server's clock, as ever.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from antiphon.errors import TransientError
from antiphon.handler import Handler
from antiphon.retry import Retry
from antiphon.testing.around import Calls, Given, around

LONGEST_DELAY = timedelta(milliseconds=20)
"""The most that lies between a failed attempt and the next."""


def hurried(handler: Handler) -> Handler:
    """The handler with no delay longer than `LONGEST_DELAY`, whoever asks for it."""
    retry = handler.retry
    shortened = Retry(
        retry.attempts,
        first=min(retry.first, LONGEST_DELAY),
        longest=min(retry.longest, LONGEST_DELAY),
    )
    return replace(around(handler, _hurry), retry=shortened)


def _hurry(given: Given) -> Calls:
    try:
        return (yield given)
    except TransientError as error:
        if error.retry_after is not None:
            error.retry_after = min(error.retry_after, LONGEST_DELAY)
        raise
