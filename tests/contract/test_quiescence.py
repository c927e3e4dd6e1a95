"""A recovery is over exactly when nothing is left to do, whatever happens and in whatever order.

After every step of a long random story the cell equals a model that knows nothing of Redis.
Every night, and by hand for other seeds:

    QUIESCENCE_EXAMPLES=20000 pytest -n 2 --timeout 0 -s tests/contract/test_quiescence.py

Each prints `QUIESCENCE_SEED=…`; given in the environment, it tells the same stories again.
"""

from __future__ import annotations

import pytest

from flow_machine import FlowQuiescence
from quiescence_machine import Quiescence, explore


@pytest.mark.timeout(0)
def test_quiescence_is_exact(redis_url: str) -> None:
    """Whatever happens, a recovery closes with its last work, once, and never before."""
    explore(Quiescence, redis_url, examples=40, steps=30)


@pytest.mark.timeout(0)
def test_quiescence_is_exact_in_the_flow(redis_url: str) -> None:
    """The same with delays, joins that time out, races, deaths, cancels, undo, children, people."""
    explore(FlowQuiescence, redis_url, examples=25, steps=50)
