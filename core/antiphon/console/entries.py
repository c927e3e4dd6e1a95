"""Entry ids as addresses and forms give them: what Redis would not take is no id."""

from __future__ import annotations

import re

_ID = re.compile(r"([0-9]{1,20})-([0-9]{1,20})")
_LIMIT = 2**64


def is_entry_id(text: str) -> bool:
    """Whether a text is the whole id of an entry of a stream."""
    found = _ID.fullmatch(text)
    return found is not None and all(int(part) < _LIMIT for part in found.groups())
