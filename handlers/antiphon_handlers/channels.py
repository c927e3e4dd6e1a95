"""Channels: the ways in which people are told something.

A channel tells one notice at a time and may block; whoever uses it runs it in a thread.
Addresses hold tokens, so no name, error or log line of a channel shows one.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import orjson

from antiphon import ConfigurationError
from antiphon.errors import AntiphonError
from antiphon_handlers.durable import sync_directory
from antiphon_handlers.notice import Notice

_OURS_ONLY = 0o600


class NotTold(AntiphonError):
    """The channel did not take the notice; another attempt may succeed."""


class Channel(Protocol):
    """One way to tell people."""

    @property
    def name(self) -> str:
        """What errors call it; never its address."""

    def tell(self, notice: Notice) -> None:
        """Tell people, and return when it is told.

        Raises:
            NotTold: it was not; the message holds no address.
        """


@dataclass(frozen=True, slots=True)
class Console:
    """Standard error."""

    name: str = field(default="console", init=False)

    def tell(self, notice: Notice) -> None:
        """Print the notice."""
        try:
            print(f"\n{notice.title}\n{notice.body}\n", file=sys.stderr, flush=True)  # noqa: T201
        except (OSError, ValueError) as error:  # nobody reads it any more
            raise NotTold(f"standard error: {error}") from error


@dataclass(frozen=True, slots=True)
class JsonLines:
    """A file that gets one JSON object per line, on disk before anybody is told it was told.

    It is made with mode 0600. Several processes of one machine may share it.
    """

    path: Path
    name: str = field(default="file", init=False)

    def tell(self, notice: Notice) -> None:
        """Append the notice as a whole, or not at all."""
        line = orjson.dumps(notice.to_dict(), option=orjson.OPT_APPEND_NEWLINE)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            descriptor = os.open(self.path, flags, _OURS_ONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                _append(descriptor, line)
            finally:
                os.close(descriptor)
            sync_directory(self.path.parent)
        except OSError as error:
            raise NotTold(str(error)) from error


def _append(descriptor: int, line: bytes) -> None:
    """Write a line and wait until it is on disk; one that does not fit is taken back."""
    size = os.fstat(descriptor).st_size
    # A process that was killed may have left half a line: ours must not become its end.
    broken = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
    left = b"\n" + line if broken else line
    try:
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise


class Apprise:
    """One of the services that Apprise speaks to: chat, e-mail, pagers, telephones, webhooks.

    Args:
        url: `Apprise's URL <https://github.com/caronc/apprise/wiki>`_ of whom to tell.

    Raises:
        ConfigurationError: Apprise is not installed, or does not know such a URL.
    """

    def __init__(self, url: str) -> None:
        try:
            import apprise  # noqa: PLC0415  an extra
        except ImportError as error:
            raise ConfigurationError(
                "telling people by URL needs Apprise: pip install 'antiphon[notify]'"
            ) from error
        _silence()
        service: Any = apprise.Apprise.instantiate(url)
        if service is None:
            raise ConfigurationError(
                "Apprise does not know such a URL, which is not shown since it may hold a token; "
                "what Apprise says of it: apprise -vv --dry-run URL"
            )
        self.name = str(service.schema)
        """The kind of service, such as ``slack``."""
        self._apprise = apprise.Apprise()
        self._apprise.add(service)
        self._kind = apprise.NotifyType.FAILURE
        self._format = apprise.NotifyFormat.TEXT

    def __repr__(self) -> str:
        return f"Apprise({self.name!r})"

    def tell(self, notice: Notice) -> None:
        """Send the notice as plain text."""
        told = self._apprise.notify(
            body=notice.body, title=notice.title, notify_type=self._kind, body_format=self._format
        )
        if not told:
            raise NotTold("the service did not take it")


def _silence() -> None:
    """Keep addresses out of the log: Apprise names them, and what is below it does in detail."""
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    for name in ("urllib3", "oauthlib", "requests_oauthlib"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
