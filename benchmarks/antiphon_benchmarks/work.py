"""The worker process: build one contender, wait for the word, then consume.

Run by `worker.Worker`. Everything imported and built before the word is given
is outside what is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable

from antiphon_benchmarks.contenders.contender import Name, contender
from antiphon_benchmarks.plan import plan_named

#: The environment variable with the server's URL, which holds a password.
URL = "ANTIPHON_BENCHMARK_URL"


def main() -> None:
    """Build what the arguments name, say that it is ready, and run it when told to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("contender", type=Name)
    parser.add_argument("plan")
    parser.add_argument("handlers", type=int)
    parser.add_argument("ready", type=int, help="file descriptor to write to when built")
    options = parser.parse_args()
    plan = plan_named(options.plan, options.handlers)
    run = contender(options.contender).worker(os.environ[URL], plan)
    os.write(options.ready, b"ready\n")
    os.close(options.ready)
    sys.stdin.readline()
    asyncio.run(_consume(run))


async def _consume(run: Callable[[], Awaitable[None]]) -> None:
    await run()


if __name__ == "__main__":
    main()
