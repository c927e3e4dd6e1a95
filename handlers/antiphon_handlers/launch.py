"""Start a command detached, recorded in its pidfile before its first instruction runs.

``python -m antiphon_handlers.launch LAUNCH``, where LAUNCH is a JSON object: ``command``, ``cwd``,
``pidfile``, ``log`` (a path), ``lock`` (an inherited descriptor) and ``record`` (what to note
beside the pid and its create time). Prints the pid and exits 0 once the command runs; exits 1
with the reason when it cannot.

The worker that restarts a service may be killed at any moment. This small process makes the
restart indivisible all the same: it holds the pidfile's lock until the new process is recorded
and running, so the next worker finds either no new process or a recorded one.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import psutil

from antiphon_handlers.durable import replace_text


def main() -> int:
    """Launch what the first argument describes."""
    launch: dict[str, Any] = json.loads(sys.argv[1])
    # A successful exec closes the writing end, and so ends the reading here.
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _become(launch, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        refusal = pipe.read()
    if refusal:
        os.waitpid(pid, 0)
        sys.stderr.write(refusal.decode())
        return 1
    sys.stdout.write(f"{pid}\n")
    return 0


def _become(launch: dict[str, Any], writing: int) -> None:
    """Turn this child into the command; never returns."""
    try:
        os.setsid()
        os.chdir(launch["cwd"])
        os.set_inheritable(launch["lock"], False)
        _redirect(Path(launch["log"]))
        record = launch["record"] | {
            "pid": os.getpid(),
            "create_time": psutil.Process().create_time(),
        }
        replace_text(Path(launch["pidfile"]), json.dumps(record))
        os.execvp(launch["command"][0], launch["command"])  # noqa: S606  there must be no shell
    except Exception as error:  # noqa: BLE001  whatever it is, the worker must hear of it
        os.write(writing, f"{launch['command'][0]}: {error}".encode())
    finally:
        os._exit(1)


def _redirect(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)


if __name__ == "__main__":
    sys.exit(main())
