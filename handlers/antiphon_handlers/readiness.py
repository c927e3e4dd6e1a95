"""Waiting for a started process to say, over HTTP, that it is ready."""

from __future__ import annotations

import asyncio
import time

import httpx

from antiphon import TransientError
from antiphon_handlers.http_verdict import open_client
from antiphon_handlers.process import ManagedProcess, ProcessRecord

POLL_SECONDS = 0.05
ANSWER_WITHIN_SECONDS = 2.0


async def wait_until_ready(process: ManagedProcess, record: ProcessRecord) -> str:
    """Wait for the first good answer, and return the URL it came from.

    Raises:
        TransientError: the process ended, or was not ready in time.
    """
    give_up = time.monotonic() + process.ready_within.total_seconds()
    async with open_client(answer_within_seconds=ANSWER_WITHIN_SECONDS) as client:
        while time.monotonic() < give_up:
            url = process.url(record.pid)
            if url is not None and await _answers(client, url):
                return url
            if not record.alive():
                raise TransientError(
                    f"{process.command[0]!r} (pid {record.pid}) ended before it was ready: "
                    f"{process.last_words()}"
                )
            await asyncio.sleep(POLL_SECONDS)
    raise TransientError(
        f"{process.command[0]!r} (pid {record.pid}) was not ready within "
        f"{process.ready_within.total_seconds():g} s: {process.last_words()}"
    )


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        response = await client.get(url)
    except httpx.TransportError:
        return False
    return response.is_success
