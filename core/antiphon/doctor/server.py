"""Is the server one to be trusted with events?"""

from __future__ import annotations

from collections.abc import Iterator

from antiphon.doctor.facts import Facts, Server
from antiphon.doctor.finding import Finding, Grade

_OLDEST_VERSION = (7, 0)
_TIGHT, _FULL = 0.75, 0.9
"""How much of its memory may be used before it is worth a word, and before it is urgent."""

_MEBIBYTE = 1024 * 1024

_LOSS = {
    "always": "every write is on disk before it is answered, so nothing acknowledged is lost",
    "everysec": "a crash of the machine may lose the last second of acknowledged writes, "
    "a crash of the server alone loses none",
    "no": "a crash of the machine may lose what the kernel has not written yet, "
    "half a minute of acknowledged writes",
}
"""What each appendfsync means."""


def examine(facts: Facts) -> Iterator[Finding]:
    """Look at version, role, persistence, eviction and memory."""
    server = facts.server
    yield _version(server)
    if server.role != "master":
        yield Finding(
            Grade.PROBLEM,
            "role",
            f"the server is a {server.role}: it accepts no writes, and may be behind",
            "give the URL of the primary",
        )
    yield _persistence(server)
    if server.failing:
        yield Finding(
            Grade.PROBLEM,
            "disk",
            f"its last {' and its last '.join(server.failing)} failed",
            "look at the space on its disk, and at its log",
        )
    yield _eviction(server, accepted=bool(facts.settings.get("allow_eviction")))
    yield _memory(server)


def _version(server: Server) -> Finding:
    name, version = f"{server.product} {server.product_version}", ".".join(map(str, server.speaks))
    speaks = "" if server.product_version.startswith(version) else f", speaks Redis {version}"
    if server.speaks < _OLDEST_VERSION:
        return Finding(
            Grade.PROBLEM,
            "server",
            f"{name}{speaks}: scripts of servers before 7.0 can stop half-way",
            "use Redis or Valkey, 7.0 or newer",
        )
    return Finding(Grade.OK, "server", f"{name}{speaks}")


def _persistence(server: Server) -> Finding:
    if server.appendonly:
        mode = server.appendfsync or "unknown"
        loss = _LOSS.get(mode, "the server does not say what it is")
        grade = Grade.OK if mode in {"always", "everysec"} else Grade.WARNING
        remedy = "" if grade is Grade.OK else "CONFIG SET appendfsync everysec, or always"
        return Finding(grade, "persistence", f"appendfsync {mode}: {loss}", remedy)
    kept = {
        True: "a crash loses everything since the last snapshot",
        False: "everything is lost when the server ends, also open recoveries",
        None: "a crash loses everything since the last snapshot, if it makes any",
    }[server.snapshots]
    return Finding(
        Grade.WARNING,
        "persistence",
        f"appendonly no: {kept}",
        "CONFIG SET appendonly yes, and in its configuration file",
    )


def _eviction(server: Server, *, accepted: bool) -> Finding:
    if server.eviction == "noeviction":
        return Finding(Grade.OK, "eviction", "noeviction: a full memory refuses writes, loses none")
    says = f"maxmemory-policy is {server.eviction or 'unknown'}"
    grade = Grade.WARNING if accepted or not server.eviction else Grade.PROBLEM
    return Finding(
        grade,
        "eviction",
        f"{says}: a full memory throws events and idempotency keys away",
        "CONFIG SET maxmemory-policy noeviction, and in its configuration file",
    )


def _memory(server: Server) -> Finding:
    used = f"{server.used_memory / _MEBIBYTE:.1f} MiB used"
    if not server.maxmemory:
        return Finding(Grade.OK, "memory", f"{used}, without a limit")
    share = server.used_memory / server.maxmemory
    says = f"{used} of {server.maxmemory / _MEBIBYTE:.1f} MiB, {share:.0%}"
    if share < _TIGHT:
        return Finding(Grade.OK, "memory", says)
    return Finding(
        Grade.PROBLEM if share >= _FULL else Grade.WARNING,
        "memory",
        f"{says}; once it is full, publishing and settling are refused",
        "raise maxmemory, or shorten ANTIPHON_RECORD_RETENTION and ANTIPHON_STREAM_RETENTION",
    )
