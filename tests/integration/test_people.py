"""The ready-made service that tells people, configured by its environment alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from antiphon import ConfigurationError, Publisher, Settings
from antiphon.broker.errand import Errand
from antiphon_events import RecoveryEscalated, ServiceFailed
from antiphon_handlers.people import people_told
from child import Child
from escalating import REASON, giving_up
from handler_fixtures import delivery
from receiver import Receiver, receiving
from support import until

TOKEN = "xoxb-7311"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def at_tier(tier: int) -> RecoveryEscalated:
    return RecoveryEscalated(subject="orders-api", reason="no help", tier=tier)


async def tell(handler: Any, event: RecoveryEscalated, event_id: str = "e1") -> None:
    await handler(*delivery(event, event_id=event_id))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


async def test_it_runs_like_any_other_service(
    settings: Settings, receiver: Receiver, tmp_path: Path
) -> None:
    """People are told by URL and by file, after a refusal too, and the log holds no token."""
    receiver.status = 503
    file, log = tmp_path / "people.jsonl", tmp_path / "people.log"
    environment = {
        "ANTIPHON_NOTIFY_URLS": f"json://{receiver.address}/{TOKEN}",
        "ANTIPHON_NOTIFY_FILE": str(file),
        "ANTIPHON_LOG_LEVEL": "debug",
    }
    service = "antiphon_handlers.people:people"
    async with Child.running(service, settings, log, **environment) as people:
        async with Publisher(settings) as publisher, Errand.begin(settings) as errand:
            receipt = await publisher.publish(ServiceFailed(subject="orders-api"))
            await errand.gatherer.run(giving_up(errand.keys, settings, receipt.correlation_id))
        (refused, *_) = await until(lambda: people.said("delivery.retried"))
        assert "json (channel 2): the service did not take it" in refused["error"]
        receiver.status = 200
        await until(lambda: people.said("delivery.completed"), 30)
        assert TOKEN not in people.transcript()
    (taken,) = receiver.taken
    assert f"Why: {REASON}" in taken["message"]
    (line,) = lines(file)
    assert line["correlation_id"] == receipt.correlation_id


async def test_the_environment_names_the_channels(receiver: Receiver, tmp_path: Path) -> None:
    """Tiers are separated by semicolons, their URLs by spaces, and the file is told of each."""
    path = tmp_path / "people.jsonl"
    base = f"json://{receiver.address}"
    service = people_told(
        {
            "ANTIPHON_NOTIFY_URLS": f" {base}/a {base}/b ; {base}/c ;",
            "ANTIPHON_NOTIFY_FILE": str(path),
        }
    )
    (registered,) = service.handlers
    assert (registered.group, list(registered.kinds)) == (
        "people.notify",
        [
            "recovery.escalated",
            "approval.requested",
        ],
    )
    await tell(registered.function, at_tier(1))
    assert sorted(receiver.asked) == ["/a", "/b"]
    await tell(registered.function, at_tier(2), "e2")
    assert sorted(receiver.asked) == ["/a", "/b", "/c"]
    assert [line["tier"] for line in lines(path)] == [1, 2]


async def test_a_file_alone_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only somebody who names neither is told on standard error."""
    path = tmp_path / "people.jsonl"
    (registered,) = people_told({"ANTIPHON_NOTIFY_FILE": str(path)}).handlers
    await tell(registered.function, at_tier(1))
    assert len(lines(path)) == 1
    assert capsys.readouterr().err == ""
    (registered,) = people_told({}).handlers
    await tell(registered.function, at_tier(1))
    assert "needs a person" in capsys.readouterr().err


def test_a_wrong_url_is_named_by_its_place() -> None:
    """Which one is wrong is said, and not what it is."""
    with pytest.raises(ConfigurationError) as refused:
        people_told({"ANTIPHON_NOTIFY_URLS": f"json://a ; json://b nosuch://{TOKEN}"})
    assert str(refused.value).startswith("ANTIPHON_NOTIFY_URLS: URL 2 of tier 2: ")
    assert TOKEN not in str(refused.value)
    with pytest.raises(ConfigurationError, match="tier 1 has no channels"):
        people_told({"ANTIPHON_NOTIFY_URLS": ";json://b"})
