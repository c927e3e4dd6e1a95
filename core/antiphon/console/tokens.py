"""Tokens: who may use the console, and as what.

A token is 256 bits of chance. What is kept of it is its SHA-256: nobody can guess what made it, so
a slow hash with a salt, as passwords need, would add nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from antiphon.errors import ConfigurationError
from antiphon.telemetry.logging import get_logger

Role = Literal["viewer", "operator"]

ROLES: tuple[Role, ...] = ("viewer", "operator")

_BYTES = 32
_PREFIX = "antiphon_"
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_NAME = re.compile(r"[^\s:#]{1,64}")


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who has a token."""

    name: str
    """What is kept with everything they do."""

    role: Role
    """A viewer reads; an operator acts as well."""

    digest: str
    """The SHA-256 of the token, in hexadecimal."""

    @classmethod
    def of(cls, name: str, role: str, token: str) -> Holder:
        """Describe the holder of a token.

        Raises:
            ConfigurationError: the name or the role cannot be one.
        """
        if not _NAME.fullmatch(name) or not name.isprintable():
            raise ConfigurationError(
                f"{name!r} is no name for a token: use 1 to 64 characters without blanks, : and #"
            )
        if role not in ROLES:
            raise ConfigurationError(f"there is no role {role!r}; there is: {', '.join(ROLES)}")
        return cls(name, role, digest(token))

    @property
    def line(self) -> str:
        """The line of a tokens file that lets them in."""
        return f"{self.name} {self.role} sha256:{self.digest}"


class Tokens(Protocol):
    """Who may use the console now."""

    def holders(self) -> tuple[Holder, ...]:
        """Everybody who has a token."""


@dataclass(frozen=True, slots=True)
class FixedTokens:
    """Tokens that are known when the console starts."""

    everybody: tuple[Holder, ...]

    def holders(self) -> tuple[Holder, ...]:
        """Everybody who has a token."""
        return self.everybody


@dataclass(slots=True)
class TokenFile:
    """The tokens in a file, read again when it changes.

    While the file cannot be read nobody is let in; they are again when it can.
    """

    path: Path
    _seen: tuple[int, ...] | None = None
    _known: tuple[Holder, ...] = field(default=())
    _problem: str = ""
    """Why nobody is let in now, as the log was told."""

    def load(self) -> tuple[Holder, ...]:
        """Read the file now.

        Raises:
            ConfigurationError: it cannot be read, others may write to it, or it makes no sense.
        """
        try:
            status = self.path.stat()
            text = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"the tokens file {str(self.path)!r} cannot be read: {error}"
            ) from error
        if status.st_mode & stat.S_IWOTH:
            raise ConfigurationError(
                f"everybody may write to the tokens file {str(self.path)!r}: chmod o-w it"
            )
        self._known = tuple(parsed(text.splitlines(), str(self.path)))
        self._seen, self._problem = _identity(status), ""
        return self._known

    def holders(self) -> tuple[Holder, ...]:
        """Everybody who has a token now."""
        try:
            if _identity(self.path.stat()) == self._seen:
                return self._known
            return self.load()
        except (OSError, ConfigurationError) as error:
            # Forgotten, not only emptied: the same file may come back as it was.
            self._seen, self._known = None, ()
            if str(error) != self._problem:
                self._problem = str(error)
                get_logger().error("console.tokens_unreadable", error=self._problem)
            return ()


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """What changes when a file, or who may write to it, does."""
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_mode


def parsed(lines: Iterable[str], where: str) -> Iterator[Holder]:
    """Read lines ``name role sha256:…``; empty ones and those that begin with # are passed over.

    Raises:
        ConfigurationError: a line is something else, or a name or token is there twice. What the
            line says is not repeated: it may be a token.
    """
    names, digests = set[str](), set[str]()
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        hashed = _DIGEST.fullmatch(words[2]) if len(words) == 3 else None  # noqa: PLR2004
        if hashed is None or words[1] not in ROLES or not _NAME.fullmatch(words[0]):
            raise ConfigurationError(
                f"line {number} of {where} is not `name role sha256:<64 hexadecimal digits>` with "
                f"a role of {' or '.join(ROLES)}: `antiphon console token` writes such lines"
            )
        name, found = words[0], hashed[1]
        if name in names or found in digests:
            raise ConfigurationError(f"line {number} of {where} repeats a name or a token")
        names.add(name)
        digests.add(found)
        yield Holder(name, words[1], found)


def new_token() -> str:
    """Make a token that nobody can guess."""
    return _PREFIX + secrets.token_urlsafe(_BYTES)


def digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def holder_of(token: str, tokens: Tokens) -> Holder | None:
    """Find whose token this is; takes as long whether it is anybody's or not."""
    given, found = digest(token), None
    for holder in tokens.holders():
        if hmac.compare_digest(holder.digest, given):
            found = holder
    return found
