"""What a pause holds: everything, one service, one subject, or what a storm brought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from antiphon.errors import ConfigurationError

_EVERYTHING, _STORM = "*", "storm"


@dataclass(frozen=True, slots=True)
class Scope:
    """A part of a cell that can be paused, as the server names it.

    Its text is for people: ``the service orders``.
    """

    field: str
    """``*``, ``service:NAME``, ``subject:NAME`` or ``storm``."""

    @classmethod
    def of(
        cls, *, service: str | None = None, subject: str | None = None, storm: bool = False
    ) -> Self:
        """Name what somebody means; everything, when they name nothing.

        Raises:
            ConfigurationError: they name more than one, or give a name that is empty.
        """
        named = {"service": service, "subject": subject}
        given = {kind: name for kind, name in named.items() if name is not None}
        if len(given) + storm > 1:
            raise ConfigurationError("name one: a service, a subject or the storm brake")
        if storm:
            return cls(_STORM)
        for kind, name in given.items():
            if not name.strip():
                raise ConfigurationError(f"{name!r} is not the name of a {kind}")
            return cls(f"{kind}:{name}")
        return cls(_EVERYTHING)

    @property
    def service(self) -> str | None:
        """The service, when it is one."""
        return self._after("service:")

    @property
    def subject(self) -> str | None:
        """The subject, when it is one."""
        return self._after("subject:")

    @property
    def guard(self) -> str:
        """The guard that holds what is in it."""
        return "storm" if self.field == _STORM else "pause"

    @property
    def option(self) -> str:
        """How the command line names it: ``--service orders``; empty for everything."""
        import shlex  # noqa: PLC0415  rarely asked for

        if self.field == _STORM:
            return "--storm"
        kind, _, name = self.field.partition(":")
        return f"--{kind} {shlex.quote(name)}" if name else ""

    def _after(self, kind: str) -> str | None:
        return self.field.removeprefix(kind) if self.field.startswith(kind) else None

    def __str__(self) -> str:
        match self.field:
            case "*":
                return "everything"
            case "storm":
                return "what a storm brought"
            case _:
                return f"the {self.field.replace(':', ' ', 1)}"
