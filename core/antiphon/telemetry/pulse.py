"""The pulse of an event loop: how late it comes to its tasks, and whether it still turns."""

from __future__ import annotations

import asyncio
import sys
import sysconfig
import threading
import time
from types import FrameType

from antiphon.telemetry.metrics import loop_delayed

_EVERY_S = 0.1
_HANGS_AFTER_S = 5.0
"""A handler that blocks for a moment is a nuisance; one that blocks for longer stops a worker."""

_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib")})


class Pulse:
    """Beats in an event loop; any thread may ask how long ago it last did."""

    def __init__(self) -> None:
        self._due = time.monotonic() + _EVERY_S
        self._thread = threading.get_ident()

    async def beat(self) -> None:
        """Beat until cancelled."""
        self._thread = threading.get_ident()
        while True:
            self._due = time.monotonic() + _EVERY_S
            await asyncio.sleep(_EVERY_S)
            loop_delayed(self.behind_s)

    @property
    def behind_s(self) -> float:
        """How long ago the next beat was due, seconds; zero when it is still to come."""
        return max(0.0, time.monotonic() - self._due)

    @property
    def hangs(self) -> bool:
        """Whether the loop has not turned for so long that it may never again."""
        return self.behind_s > _HANGS_AFTER_S

    def where(self) -> str:
        """Name the place in the loop's thread that runs now: file, line and function."""
        innermost = frame = sys._current_frames().get(self._thread)  # noqa: SLF001  public, if odd
        while frame is not None and frame.f_code.co_filename.startswith(_LIBRARIES):
            frame = frame.f_back  # whoever called a library knows better what it is about
        return _place(frame or innermost)


def _place(frame: FrameType | None) -> str:
    if frame is None:
        return ""
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
