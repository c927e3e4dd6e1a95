"""A file that only its user may read."""

from __future__ import annotations

import os
from pathlib import Path

_OURS_ONLY = 0o600


def write_private(path: Path, text: str) -> None:
    """Write the file whole or not at all: no reader, and no crash, leaves half of one."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    opened = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OURS_ONLY)
    with os.fdopen(opened, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)
