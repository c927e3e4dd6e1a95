"""Reading what runs in a cell, as the workers describe it."""

from __future__ import annotations

from antiphon.broker.clock import read_ms
from antiphon.broker.errand import Errand
from antiphon.broker.faults import telling
from antiphon.choreography.portable import Description
from antiphon.choreography.running import Gone, Running
from antiphon.instants import instant


async def read_running(errand: Errand) -> Running:
    """Read what runs now, in one round trip.

    Raises:
        StreamUnavailable: the server cannot be reached, or cannot answer now.
        ConfigurationError: it refuses our name, password or permissions.
    """
    keys = errand.keys
    with telling("reading what runs"):
        time, described, parts, workers, groups = await errand.ask(
            [
                ("TIME",),
                ("ZRANGE", keys.described, 0, -1, "WITHSCORES"),
                ("HGETALL", keys.parts),
                ("ZRANGE", keys.workers, 0, -1, "WITHSCORES"),
                ("HKEYS", keys.groups),
            ]
        )
    now_ms = read_ms(time)
    texts = dict(zip(parts[::2], parts[1::2], strict=True))
    until = dict(zip(described[::2], map(int, described[1::2]), strict=True))
    answered = dict(zip(workers[::2], map(int, workers[1::2]), strict=True))
    read = (_read(texts.get(name)) for name, ms in until.items() if ms > now_ms)
    registered = frozenset(groups)
    return Running.of(
        instant(now_ms),
        [one for one in read if one is not None],
        at_work=[name.decode() for name, ms in answered.items() if ms > now_ms],
        gone=[
            Gone(name.decode(), instant(ms))
            for name, ms in answered.items()
            if ms <= now_ms and name in registered
        ],
    )


def _read(text: bytes | None) -> Description | None:
    try:
        return None if text is None else Description.from_json(text)
    except ValueError:
        return None
