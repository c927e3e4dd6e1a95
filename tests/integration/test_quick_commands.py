"""Commands that only write or read events never load what runs handlers."""

from __future__ import annotations

import asyncio
import sys

from antiphon import Settings

_COMMANDS = """
import sys
from antiphon.cli.main import main

def run(*arguments):
    sys.argv = ["antiphon", *arguments, "--url", {url!r}, "--cell", {cell!r}]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, ended.code

run("publish", "service.failed", "--subject", "api", "--correlation-id", "one")
run("trace", "one")
run("recoveries")
run("dead", "list")
run("groups", "list")
run("doctor")
sys.exit(int("faststream" in sys.modules))
"""


async def test_only_running_handlers_loads_their_host(settings: Settings) -> None:
    """Publishing, tracing, listing and examining start without FastStream."""
    code = _COMMANDS.format(url=settings.redis_url, cell=settings.cell)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert b"service.failed about api" in out
