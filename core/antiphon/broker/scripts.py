"""The Lua scripts: one atomic step each, addressed by content.

A script names the fragments it is built from (``-- include clock, record``); the loader joins them
behind ``#!lua``, so that Redis refuses a script that would write without memory before its first
write.
Scripts are called by their SHA-1: two releases of Antiphon can share a server while it is upgraded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).with_name("lua")
_INCLUDE = re.compile(r"^-- include (\w+(?:, \w+)*)\n", re.MULTILINE)

Argument = str | bytes | int


@dataclass(frozen=True, slots=True)
class Script:
    """A script's text and the SHA-1 it is called by."""

    name: str
    text: str
    sha: str


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a script: all its keys, then its arguments."""

    script: Script
    keys: Sequence[str]
    args: Sequence[Argument]


@cache
def script(name: str) -> Script:
    """Load `lua/<name>.lua` with the fragments it includes."""
    source = (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")
    fragments = [
        (_FOLDER / f"{included}.lua").read_text(encoding="utf-8")
        for names in _INCLUDE.findall(source)
        for included in names.split(", ")
    ]
    text = "#!lua\n" + "".join([*fragments, _INCLUDE.sub("", source)])
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
