"""Run a program that ends when the process that started it ends, however that one ended.

A script, not a module of the library: ``python -I -S tether.py PARENT_PID PROGRAM ARGUMENTS…``.
It arranges the parent-death signal and then becomes the program. A ``preexec_fn`` would do the same
in fewer words, but runs Python between fork and exec, which is unsafe in a process with threads.

Only Linux has the signal. Elsewhere the program outlives a parent that was killed outright; its
inherited lock on the data directory then keeps a second server away from the same files.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Bind this process to its parent, then become the program."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # The parent may have died before the signal was armed.
    if os.getppid() != parent:
        sys.exit("the process that asked for this program is gone")
    os.execv(program[0], program)  # noqa: S606  there must be no shell


if __name__ == "__main__":
    main()
