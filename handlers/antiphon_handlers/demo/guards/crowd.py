"""A crowd of publishers: processes that all report the same failure when they are told to."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from antiphon import AntiphonError

PROGRAM = "antiphon_handlers.demo.guards.publishing"


@dataclass(frozen=True, slots=True)
class Crowd:
    """Publishers, each with a connection of its own."""

    members: tuple[Process, ...]

    async def publish(self, count: int) -> int:
        """Publish so many failures, all publishers at once; returns how many joined a recovery.

        Raises:
            AntiphonError: a publisher has ended.
        """
        share, more = divmod(count, len(self.members))
        shares = [share + (number < more) for number in range(len(self.members))]
        return sum(await asyncio.gather(*map(_publish, self.members, shares)))


@asynccontextmanager
async def gathered(
    names: Iterable[str], environment: Mapping[str, str], logs: Path, *, subject: str, reason: str
) -> AsyncIterator[Crowd]:
    """Gather a crowd that is ready to publish; it goes when it is left.

    Args:
        names: the publishers.
        environment: where the server and the cell are.
        logs: the directory for what each logs.
        subject: what their failures are about.
        reason: what the failures say.
    """
    async with AsyncExitStack() as stack:
        members = [
            await stack.enter_async_context(_member(name, environment, logs, subject, reason))
            for name in names
        ]
        await asyncio.gather(*map(_hear, members))
        yield Crowd(tuple(members))


@asynccontextmanager
async def _member(
    name: str, environment: Mapping[str, str], logs: Path, subject: str, reason: str
) -> AsyncIterator[Process]:
    with (logs / f"{name}.jsonl").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", PROGRAM, name, subject, reason),
            stdin=PIPE,
            stdout=PIPE,
            stderr=log,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _publish(member: Process, count: int) -> int:
    assert member.stdin is not None  # noqa: S101  it was asked for
    member.stdin.write(f"{count}\n".encode())
    return int(await _hear(member))


async def _hear(member: Process) -> str:
    assert member.stdout is not None  # noqa: S101  as above
    line = await member.stdout.readline()
    if not line:
        raise AntiphonError(f"a publisher ended by itself with status {await member.wait()}")
    return line.decode()
