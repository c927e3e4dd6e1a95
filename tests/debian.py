"""Debian's programs that tests drive: found, installed, or named as what is missing; never skipped.

As root, with apt there, a program that is missing is installed once, whoever of the test processes
comes first. Otherwise the test fails and says what to run. No service is started by installing.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PACKAGES = {
    "alertmanager": "prometheus-alertmanager",
    "chromium": "chromium",
    "prometheus": "prometheus",
    "promtool": "prometheus",
}
"""The package of each program."""

INSTALLING_SECONDS = 600
"""How long an installation may take: the `timeout` mark of tests that may be the first to need one.

A fixture that calls `program` counts against its first test.
"""

_NAMES = {"alertmanager": ("alertmanager", "prometheus-alertmanager")}
"""What a program is called, where Debian calls it otherwise than its makers."""

_POLICY = Path("/usr/sbin/policy-rc.d")
"""What Debian's packages ask before they start a service; by 101 it answers: do not."""

_LOCK = Path(tempfile.gettempdir()) / f"antiphon-tests-{os.getuid()}.lock"


def program(name: str) -> Path:
    """Find a program of Debian's, and install it if that is possible and needed.

    Args:
        name: One of `PACKAGES`.

    Raises:
        pytest.fail.Exception: It is missing and was not installed; says what to run.
    """
    if found := _found(name):
        return found
    package = PACKAGES[name]
    remedy = f"run as root: apt-get install -y --no-install-recommends {package}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.fail(f"this test needs {name}, which is not here: {remedy}", pytrace=False)
    with _alone():
        if found := _found(name):  # another process was quicker
            return found
        with _nothing_started():
            said = _install(package)
    if found := _found(name):
        return found
    pytest.fail(f"{name} could not be installed ({said}): {remedy}", pytrace=False)


def _found(name: str) -> Path | None:
    found = (shutil.which(called) for called in _NAMES.get(name, (name,)))
    return next((Path(path) for path in found if path), None)


def _install(package: str) -> str:
    """Install a package; return the last line that apt said."""
    install = ("install", "-y", "--no-install-recommends", package)
    done = _apt(*install)
    if done.returncode != 0:  # its lists may be missing, or too old
        _apt("update")
        done = _apt(*install)
    return (done.stdout.strip().splitlines() or ["apt-get said nothing"])[-1]


def _apt(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
        text=True,
        check=False,
    )


@contextmanager
def _alone() -> Iterator[None]:
    """Let one process at a time in."""
    with _LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _nothing_started() -> Iterator[None]:
    """Keep packages from starting their services; a policy that is there stays."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()
