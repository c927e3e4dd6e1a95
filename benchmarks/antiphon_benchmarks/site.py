"""Where one measurement happens: a fresh server, and workers of one contender."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from antiphon_benchmarks.contenders.contender import Contender, Name, contender
from antiphon_benchmarks.cores import Cores
from antiphon_benchmarks.plan import Plan
from antiphon_benchmarks.probe import Probe
from antiphon_benchmarks.server import Durability, serve
from antiphon_benchmarks.worker import Worker


@dataclass(frozen=True, slots=True)
class Site:
    """A running server and what is needed to work on it.

    Attributes:
        name: The contender measured here.
        url: The server's URL.
        probe: A connection that looks at the server.
        cores: Where the processes run.
        directory: Holds the server's files and the worker's output.
    """

    name: Name
    url: str
    probe: Probe
    cores: Cores
    directory: Path

    @property
    def contender(self) -> Contender:
        """The contender measured here."""
        return contender(self.name)

    @property
    def log(self) -> Path:
        """The output of the worker that was started last."""
        return self.directory / f"{self.name}.log"

    def worker(self, plan: Plan) -> Worker:
        """Return a worker process for the plan, not yet started."""
        return Worker(self.name, plan, url=self.url, core=self.cores.worker, log=self.log)


@contextmanager
def open_site(name: Name, durability: Durability, cores: Cores) -> Iterator[Site]:
    """Start a server in a directory of its own; both are gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="antiphon-bench-") as home,
        serve(durability, core=cores.server, directory=Path(home)) as url,
        Probe(url) as probe,
    ):
        yield Site(name, url, probe, cores, Path(home))
