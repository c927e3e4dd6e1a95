"""``antiphon server``: in the foreground, found by others, and gone when told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from antiphon.broker.local import local_url

pytestmark = pytest.mark.usefixtures("shared_server")

_ANTIPHON = "from antiphon.cli.main import main; main()"


@pytest.fixture
def command(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Run ``antiphon server --json`` until it has described itself."""
    with subprocess.Popen(
        [sys.executable, "-c", _ANTIPHON, "server", "--json", "--data-dir", tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_stops_cleanly(
    command: tuple[subprocess.Popen[str], dict[str, str]], tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C, or a container's stop, ends the command with status 0, silence and no server."""
    process, described = command
    assert local_url(tmp_path) == described["url"]
    process.send_signal(number)
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 0
    assert not psutil.pid_exists(int(described["pid"]))


def test_the_command_ends_with_its_server(
    command: tuple[subprocess.Popen[str], dict[str, str]],
) -> None:
    """A server that dies ends the command with one line that says where to look."""
    process, described = command
    os.kill(int(described["pid"]), signal.SIGKILL)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 2
    assert said.startswith("antiphon: the server ended by itself with status -9: see ")
    assert said.count("\n") == 1
