"""What a worker process of the tests of flow under faults runs."""

from __future__ import annotations

import os
from pathlib import Path

import waiting_shop
from world import World

shop = waiting_shop.service(World(Path(os.environ["WORLD"])))
