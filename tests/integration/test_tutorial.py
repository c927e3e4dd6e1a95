"""The tutorial, followed step by step by somebody who has nothing but its text."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from antiphon.keys import Keys
from antiphon_events import derived_id
from documents import Block, all_blocks, blocks, code, rows, section
from program import run
from support import until

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("shared_server")]

KEYS = Keys("antiphon")
TUTORIAL = "tutorial/first-recovery.md"
BACKUP = "id,item,quantity\n1,lyre,1\n2,aulos,2\n3,kithara,1\n"
NEEDS_SERVER = all_blocks("python", "run", "server")
_PATIENCE_SECONDS = 60.0


class Reader:
    """Somebody in an empty folder, with a server in one terminal and the text in hand."""

    def __init__(self, folder: Path, client: Any, environment: dict[str, str]) -> None:
        self.folder = folder
        self.client = client
        self.environment = environment
        self.log = folder / "orders.log"
        self.workers: list[subprocess.Popen[bytes]] = []

    def antiphon(self, *words: str, status: int = 0) -> str:
        """Run a command to its end, hold it to its exit status, and return what it printed."""
        done = run(words, self.environment, folder=self.folder)
        assert done.status == status, done.err.decode()
        return done.out.decode()

    def run_worker(self) -> subprocess.Popen[bytes]:
        """Start the worker in the background, logging to `orders.log`."""
        with self.log.open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "antiphon", "run", "orders:orders_db", "orders:orders_api"],
                cwd=self.folder,
                env=self.environment,
                stderr=log,
            )
        self.workers.append(worker)
        return worker

    def ready(self) -> int:
        return self.log.read_text().count('"services.ready"')

    def trace(self, correlation_id: str, *options: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.antiphon("trace", correlation_id, "--json", *options)
        )
        return found

    async def closed(self, correlation_id: str) -> dict[str, Any]:
        """Wait until a recovery is over, and return its trace."""
        record = KEYS.recovery(correlation_id)
        await until(lambda: self.client.hget(record, "status") == "closed", _PATIENCE_SECONDS)
        return self.trace(correlation_id)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A reader whose server runs, as `antiphon server` says it does."""
    state, folder = tmp_path / "state", tmp_path / "orders"
    folder.mkdir()
    # Commands find the server by its directory, not by a variable.
    environment = {**os.environ, "XDG_STATE_HOME": str(state)}
    with subprocess.Popen(
        [sys.executable, "-m", "antiphon", "server", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        url = json.loads(server.stdout.readline())["url"]
        try:
            with Redis.from_url(url, decode_responses=True) as client:
                reader = Reader(folder, client, environment)
                yield reader
                for worker in reader.workers:  # a test that fails leaves nothing to the next one
                    worker.kill()
                    worker.wait()
            server.send_signal(signal.SIGINT)
            assert server.wait(_PATIENCE_SECONDS) == 0
        finally:
            server.kill()


def shown(*info: str) -> list[Block]:
    return [block for block in blocks(TUTORIAL, "python") if block.info == ("python", *info)]


def broken(source: str) -> str:
    """The file after the changes the tutorial asks for."""
    imported, handler = (block.text for block in shown())
    source = re.sub(r"^from antiphon import .*\n", imported, source, flags=re.MULTILINE)
    decorator = handler.partition("\n")[0]
    chunks = source.split("\n\n\n")
    (place,) = [number for number, chunk in enumerate(chunks) if chunk.startswith(decorator)]
    chunks[place] = handler.rstrip("\n")
    return "\n\n\n".join(chunks)


def groups(trace: dict[str, Any]) -> list[str]:
    return sorted(step["group"] for step in trace["steps"])


def outcomes(trace: dict[str, Any], group: str) -> list[str]:
    (step,) = [step for step in trace["steps"] if step["group"] == group]
    return [attempt["outcome"] for attempt in step["attempts"]]


async def test_the_tutorial_works(reader: Reader) -> None:
    """Whoever copies what it shows sees what it says."""
    (file,) = shown("run")
    source, table = reader.folder / "orders.py", reader.folder / "orders.csv"
    source.write_text(file.text)
    (reader.folder / "orders.backup.csv").write_text(BACKUP)
    assert BACKUP.encode("unicode_escape").decode() in section(TUTORIAL, "## Write the handlers")

    worker = reader.run_worker()
    await until(lambda: reader.ready() == 1, _PATIENCE_SECONDS)
    data = '{"reason": "connection refused"}'
    first = reader.antiphon(
        "publish", "service.failed", "--subject", "orders-db", "--data", data
    ).strip()
    trace = await reader.closed(first)
    assert table.read_text() == BACKUP
    assert trace["verdict"] == "completed"
    assert groups(trace) == ["orders-api.restart", "orders-api.warm", "orders-db.restore"]
    assert trace["sum_of_steps_ms"] > 0
    assert "COMPLETED" in reader.antiphon("trace", first)
    from_logs = reader.trace(first, "--logs", "orders.log")
    assert groups(from_logs) == groups(trace)
    assert [words.partition(" ")[0] for words in from_logs["missing"]] == ["who"]
    worker.terminate()
    assert worker.wait(_PATIENCE_SECONDS) == 0

    source.write_text(broken(source.read_text()))
    worker = reader.run_worker()
    table.unlink()
    said = reader.antiphon("publish", "service.failed", "--subject", "orders-db", "--wait")
    assert said.endswith("closed  completed\ncompleted\n")
    second = await reader.closed(said.partition("\n")[0])
    assert outcomes(second, "orders-db.restore") == ["retried", "completed"]
    assert table.read_text() == BACKUP

    table.unlink()
    stream = KEYS.events("service.failed")
    assert f"XADD '{stream}'" in section(TUTORIAL, "## Start one by hand")
    fields = {"subject": "orders-db", "data": '{"reason": "typed by hand"}'}
    third = derived_id(stream, reader.client.xadd(stream, fields))
    trace = await reader.closed(third)
    assert (trace["verdict"], trace["root"]) == ("completed", third)
    assert table.read_text() == BACKUP

    table.unlink()
    await _once_too_often(reader)
    assert table.read_text() == BACKUP
    _hold_keys_to_their_documentation(reader.client)
    worker.terminate()
    assert worker.wait(_PATIENCE_SECONDS) == 0


async def _once_too_often(reader: Reader) -> None:
    fourth = reader.antiphon("publish", "service.failed", "--subject", "orders-db").strip()
    await until(lambda: "escalated to tier 1 by relapse" in reader.antiphon("trace", fourth))
    assert "antiphon resume --subject orders-db" in reader.antiphon("trace", fourth)
    assert "orders-db" in reader.antiphon("guards")
    assert reader.antiphon("ack", fourth, "--reason", "it was me").startswith("Acknowledged by")
    said = reader.antiphon("resume", "--subject", "orders-db")
    assert "1 delivery was held" in said
    assert "Relapses count anew: service.failed:orders-db" in said
    assert (await reader.closed(fourth))["verdict"] == "completed"


def _hold_keys_to_their_documentation(client: Any) -> None:
    """Every key that is there is one that is documented, of its type and with its lifetime."""
    documented, always = [], set[str]()
    for heading in ("## Events", "## Handlers", "## Deliveries", "## Guards", "## Records"):
        for key, kind, lifetime, *_ in rows(section("reference/keys.md", heading)):
            pattern = re.escape(code(key)[0].replace("{cell}", "{antiphon}"))
            documented.append((re.sub(r"<[^>]+>", ".+", pattern), kind, lifetime))
            if heading != "## Guards":  # most of those are there only while a guard is at work
                always.add(documented[-1][0])
    seen = set[str]()
    for name in client.scan_iter("*"):
        matching = [row for row in documented if re.fullmatch(row[0], name)]
        assert matching, f"{name} is not documented"
        kinds = {kind for _, kind, _ in matching}
        assert client.type(name) in kinds, name
        lasts = any(word in row[2] for row in matching for word in ("never", "gone when empty"))
        assert (client.ttl(name) == -1) == lasts, (name, client.ttl(name))
        seen |= {row[0] for row in matching}
    assert len(seen & always) > len(always) / 2, always - seen


@pytest.mark.parametrize("block", NEEDS_SERVER, ids=str)
def test_an_example_that_publishes_runs(
    block: Block, redis_url: str, cell: str, tmp_path: Path
) -> None:
    """What is shown as a program can be saved and run, with a server to talk to."""
    program = tmp_path / "example.py"
    program.write_text(block.text)
    environment = {**os.environ, "ANTIPHON_REDIS_URL": redis_url, "ANTIPHON_CELL": cell}
    done = subprocess.run(
        [sys.executable, program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
