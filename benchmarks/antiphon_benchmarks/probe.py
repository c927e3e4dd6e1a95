"""What the server says about a run, read without disturbing it."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from redis import Redis
from redis.exceptions import ResponseError


class Probe:
    """A context manager: one connection that only looks."""

    def __init__(self, url: str) -> None:
        self._client = Redis.from_url(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def added(self, stream: str) -> int:
        """Return how many entries were ever added; trimming does not lower it."""
        try:
            return int(self._client.xinfo_stream(stream)["entries-added"])
        except ResponseError:  # no such key yet
            return 0

    def groups(self, stream: str) -> int:
        """Return how many consumer groups the stream has."""
        return len(self._groups(stream))

    def positions(self, stream: str) -> list[bytes]:
        """Return the last delivered id of each group: a change means that somebody reads."""
        return [group["last-delivered-id"] for group in self._groups(stream)]

    def pending(self, stream: str) -> int:
        """Return how many deliveries are not acknowledged, over all groups."""
        return sum(group["pending"] for group in self._groups(stream))

    def settled(self, stream: str) -> int:
        """Return how many deliveries have ended, over all groups."""
        return sum((g["entries-read"] or 0) - g["pending"] for g in self._groups(stream))

    def cpu_seconds(self) -> float:
        """Return the processor time the server used so far, all threads."""
        usage = self._client.info("cpu")
        return float(usage["used_cpu_user"] + usage["used_cpu_sys"])

    def used_memory(self) -> int:
        """Return the bytes the server has allocated."""
        return int(self._client.info("memory")["used_memory"])

    def commands(self) -> dict[str, int]:
        """Return how often each command ran so far, counted like `processed`."""
        stats = self._client.info("commandstats")
        return {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in stats.items()}

    def processed(self) -> int:
        """Return how many commands ran so far, those inside scripts and this probe's among them."""
        return int(self._client.info("stats")["total_commands_processed"])

    def version(self) -> str:
        """Return the server's own name and version."""
        facts = self._client.info("server")
        name = facts.get("server_name", "redis")
        return f"{name} {facts.get(f'{name}_version', facts['redis_version'])}"

    def _groups(self, stream: str) -> list[dict[str, Any]]:
        try:
            return self._client.xinfo_groups(stream)
        except ResponseError:  # no such key yet
            return []
