"""One of those who publish a failure: ``python -m … NAME SUBJECT REASON``.

It reads numbers from standard input, publishes so many identical failures for each, one after the
other over one connection, and answers how many of them joined an open recovery.
It ends with its input, and so with whoever holds the other end.
"""

from __future__ import annotations

import asyncio
import sys

from antiphon import Publisher, Settings
from antiphon.telemetry.logging import configure
from antiphon_events import ServiceFailed


async def main() -> None:
    """Publish as often as is asked for."""
    name, subject, reason = sys.argv[1:]
    configure("json", stream=sys.stderr)
    async with Publisher(Settings(), source=name) as publisher:
        _answer("ready")
        while count := await asyncio.to_thread(sys.stdin.readline):
            joined = 0
            for _ in range(int(count)):
                receipt = await publisher.publish(ServiceFailed(subject=subject, reason=reason))
                joined += receipt.coalesced
            _answer(str(joined))


def _answer(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
