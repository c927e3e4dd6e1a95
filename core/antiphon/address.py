"""Addresses to listen at, as people write them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ADDRESS = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>\d{1,5})"
)
_HIGHEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port; port 0 is any that is free."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read ``127.0.0.1:9464``, ``localhost:0`` or ``[::1]:9464``.

        Raises:
            ValueError: it is none; says how to write one.
        """
        found = _ADDRESS.fullmatch(text)
        port = int(found["port"]) if found else -1
        if found is None or port > _HIGHEST_PORT:
            raise ValueError(
                f"{text!r} is no address: write HOST:PORT, such as 127.0.0.1:9464, or 0.0.0.0:9464 "
                "for all of this machine's"
            )
        return cls(found["six"] or found["host"], port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"
