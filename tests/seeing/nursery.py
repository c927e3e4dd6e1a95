"""Where workers are born: a process that has imported everything, and forks.

So many workers are killed that starting each from nothing would take most of the time.

Run as ``python nursery.py``; each line on standard input names a worker, whose log is
``NAME.log`` in the folder ``DIARY``. Answers with its process id. When its input ends it ends,
and takes with it whoever is left.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from antiphon import Settings

_TARGET = "seeing.clinic:clinic"


class Nursery:
    """The process, as seen by the injector."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder

    def __enter__(self) -> Self:
        from child import surroundings  # noqa: PLC0415  not where workers are born

        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env=surroundings(self._settings, {"DIARY": str(self._folder)}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._process.communicate()

    def bear(self, name: str) -> int:
        """Start a worker, and return its process id."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def alive(pid: int) -> bool:
    """Whether a worker lives; the nursery buries the dead."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _grow_up(name: str) -> None:
    """Be a worker: what `antiphon run` does."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(Path(os.environ["DIARY"]) / f"{name}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, log, log)):
        os.dup2(descriptor, number)
    os.environ["ANTIPHON_CONSUMER"] = name
    sys.argv = ["antiphon", "run", _TARGET]
    from antiphon.cli.main import main  # noqa: PLC0415  known since long

    main()


def _breed() -> None:
    import antiphon.cli.main  # noqa: PLC0415  so that the forks need not
    import antiphon.cli.run  # noqa: PLC0415
    import antiphon.endpoints  # noqa: PLC0415
    import antiphon.worker  # noqa: F401, PLC0415
    import seeing.afflictions  # noqa: PLC0415
    import seeing.ailments  # noqa: F401, PLC0415

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    born = []
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _grow_up(line.strip())
            os._exit(0)
        born.append(pid)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
    for pid in filter(alive, born):
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    _breed()
