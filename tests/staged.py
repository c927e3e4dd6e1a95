"""Demos that tests run, and what must not be left of them."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import psutil

from antiphon_handlers.demo.directory import DIRECTORY_VARIABLE


async def start_demo(
    directory: Path, *words: str, **environment: str
) -> asyncio.subprocess.Process:
    """Start ``antiphon demo WORDS --keep DIRECTORY`` with more in its environment."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "antiphon", "demo", *words, "--keep", str(directory)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )


def running_in(directory: Path) -> list[psutil.Process]:
    """Find every process of a demo, however detached: what it serves, workers, probe, server."""
    return [process for process in psutil.process_iter() if _belongs(process, str(directory))]


def _belongs(process: psutil.Process, directory: str) -> bool:
    try:
        told = process.environ().get(DIRECTORY_VARIABLE) == directory
        words = " ".join(process.cmdline())
        return process.pid != os.getpid() and (told or directory in words)
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False
