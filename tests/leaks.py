"""What a test must not leave behind: keys that never expire, tasks, processes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import psutil
from redis import Redis

_GRACE_SECONDS = 2.0
_LASTING_PROCESSES = set[int]()

_LASTING = ("events:", "subscribers:", "recoveries:", "due:", "inbox:")
_LASTING_ALONE = ("fence", "dead", "groups", "workers", "history")
_LASTING_GUARDS = ("pauses", "held", "escalations", "guards", "audit", "timers", "approvals")
_LASTING_WHILE_OPEN = ("recovery:", "outstanding:", "ledger:", "plan:")


def keys_of(client: Redis, cell: str) -> list[str]:
    return sorted(client.scan_iter(match=f"{{{cell}}}:*", count=1000))


def immortal_keys(client: Redis, cell: str) -> list[str]:
    """List the keys of a cell that will never expire and are not meant to last."""
    keys = keys_of(client, cell)
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.pttl(key)
        lifetimes = pipe.execute()
    prefix = f"{{{cell}}}:"
    still_open = frozenset(map(str, client.zrange(f"{prefix}recoveries:open", 0, -1)))
    return [
        key
        for key, lifetime in zip(keys, lifetimes, strict=True)
        if lifetime == -1 and not _may_last(key.removeprefix(prefix), still_open)
    ]


def _may_last(name: str, still_open: frozenset[str]) -> bool:
    if name in (*_LASTING_ALONE, *_LASTING_GUARDS) or name.startswith(_LASTING):
        return True
    family, _, correlation_id = name.partition(":")
    return f"{family}:" in _LASTING_WHILE_OPEN and correlation_id in still_open


async def tasks_left() -> list[asyncio.Task[object]]:
    """List the tasks of this loop, other than the caller, that do not end by themselves soon."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if not others:
        return []
    _, left = await asyncio.wait(others, timeout=_GRACE_SECONDS)
    return sorted(left, key=lambda task: task.get_name())


def lasts(pid: int) -> None:
    """Say of a process that it, and what it starts, lasts longer than one test."""
    _LASTING_PROCESSES.add(pid)


def processes_left() -> list[psutil.Process]:
    """List child processes that do not end by themselves soon, apart from those that last."""
    left = list(_descendants(psutil.Process()))
    if not left:
        return []
    _, alive = psutil.wait_procs(left, timeout=_GRACE_SECONDS)
    return list(alive)


def _descendants(parent: psutil.Process) -> Iterator[psutil.Process]:
    for child in parent.children():
        if child.pid not in _LASTING_PROCESSES:
            yield child
            yield from child.children(recursive=True)
