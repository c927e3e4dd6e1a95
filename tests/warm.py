"""A warm start: a process that has loaded the program already, and forks one for every command.

Each command is a process with its own arguments, environment, folder and standard streams, as
`python -m antiphon` would be. It is spared the imports, which take a processor longer than all else
that most commands do.

Source: the fork server of `multiprocessing`, which cannot hand standard streams over.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple, NoReturn

from leaks import lasts

_LARGEST_REQUEST_BYTES = 1 << 18
_STREAMS = 3
_LOADED_WHEN_USED = (
    "antiphon.broker.reading",
    "antiphon.choreography",
    "antiphon.drawing",
    "antiphon.report",
    "antiphon.service",
    "antiphon.trace.picture",
    "antiphon_handlers.demo",
    "faststream.redis",
    "rich.live",
    "rich.progress",
    "rich.table",
)


class Output(NamedTuple):
    """How a command ended, and what it wrote."""

    status: int
    out: bytes
    err: bytes


class WarmStart:
    """Runs commands; the process that forks them begins with the first and ends with this one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: socket.socket | None = None
        self._interpreter: Mapping[str, str] = {}

    def suits(self, environment: Mapping[str, str]) -> bool:
        """Whether a process that was started in our environment would not have begun otherwise."""
        with self._lock:
            if self._requests is None:
                self._interpreter = _of_python(os.environ)
        return _of_python(environment) == self._interpreter

    def run(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        answer: bytes,
        patience_s: float,
    ) -> Output:
        """Run a command in a folder to its end.

        Raises:
            TimeoutError: It did not end in time, and was killed.
        """
        told = {
            "arguments": arguments,
            "environment": dict(environment),
            "folder": str(folder.absolute()),
        }
        with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
            given.write(answer)
            given.seek(0)
            reading, writing = os.pipe()
            with os.fdopen(reading, "rb", buffering=0) as status:
                files = [given.fileno(), out.fileno(), err.fileno(), writing]
                try:
                    socket.send_fds(self._server(), [json.dumps(told).encode()], files)
                finally:
                    os.close(writing)
                ended = _await_end(status.fileno(), patience_s)
            out.seek(0)
            err.seek(0)
            return Output(ended, out.read(), err.read())

    def _server(self) -> socket.socket:
        with self._lock:
            if self._requests is None:
                ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                with theirs:
                    process = subprocess.Popen(
                        [sys.executable, __file__, str(theirs.fileno())],
                        pass_fds=[theirs.fileno()],
                        stdin=subprocess.DEVNULL,
                    )
                lasts(process.pid)
                atexit.register(process.wait)
                atexit.register(ours.close)  # runs first, and ends it
                self._requests = ours
            return self._requests


def _of_python(environment: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}


def _await_end(status: int, patience_s: float) -> int:
    pid = int(os.read(status, 16))
    if not select.select([status], [], [], patience_s)[0]:
        os.kill(pid, signal.SIGKILL)
        raise TimeoutError(f"the command did not end within {patience_s:g} s")
    return int(os.read(status, 16))


def _serve(requests: socket.socket) -> None:
    """Fork a process for each request until nobody can ask any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever minds a command need not be awaited
    _load()
    base = sys.path[1:]
    gc.freeze()
    while True:
        request, files, _, _ = socket.recv_fds(requests, _LARGEST_REQUEST_BYTES, _STREAMS + 1)
        if not request:
            return
        if os.fork() == 0:
            requests.close()
            _mind(json.loads(request), files, base)
        for file in files:
            os.close(file)


def _load() -> None:
    from antiphon.cli.commands import OURS  # noqa: PLC0415  not in the tests' own process

    for target in OURS.values():
        importlib.import_module(target.partition(":")[0])
    for module in _LOADED_WHEN_USED:
        importlib.import_module(module)


def _mind(told: Mapping[str, Any], files: Sequence[int], base: Sequence[str]) -> NoReturn:
    """Fork the command, and tell its pid and then its status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *streams, status = files
    pid = os.fork()
    if pid == 0:
        os.close(status)
        _become(told, streams, base)
    for stream in streams:
        os.close(stream)
    os.write(status, b"%-16d" % pid)
    _, waited = os.waitpid(pid, 0)
    os.write(status, b"%-16d" % os.waitstatus_to_exitcode(waited))
    os._exit(0)


def _become(told: Mapping[str, Any], streams: Sequence[int], base: Sequence[str]) -> NoReturn:
    """Be the command, and end as Python ends."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(told["folder"])
    os.environ.clear()
    os.environ.update(told["environment"])
    sys.path[:] = [told["folder"], *base]
    sys.argv = ["antiphon", *told["arguments"]]
    status = 1
    try:
        runpy.run_module("antiphon", run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001  as the interpreter does
        traceback.print_exc()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        _serve(asked)
