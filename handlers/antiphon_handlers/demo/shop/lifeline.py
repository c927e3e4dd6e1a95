"""A lifeline: the shop's processes end with the demo that opened it, however that one ended.

They run detached, so that a worker's death leaves them alone; without this, a killed demo would
leave a shop behind.
"""

from __future__ import annotations

import os
import time

import psutil

OWNER_VARIABLE = "SHOP_OWNER_PID"
LOOK_EVERY_SECONDS = 0.25


def hold(owner: int) -> None:
    """End this process as soon as the owner has ended; runs for the life of the process."""
    try:
        process = psutil.Process(owner)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(LOOK_EVERY_SECONDS)
    except psutil.NoSuchProcess:
        pass
    os._exit(0)
