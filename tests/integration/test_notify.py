"""Telling people, through a real Apprise, a real web server and a real file."""

from __future__ import annotations

import json
import logging
import os
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from antiphon import ConfigurationError, TransientError
from antiphon_events import ApprovalRequested, RecoveryEscalated
from antiphon_handlers.channels import Apprise, Channel, Console, JsonLines, NotTold
from antiphon_handlers.notice import Notice
from antiphon_handlers.notify import notify
from handler_fixtures import delivery
from receiver import Receiver, receiving

TOKEN = "xoxb-7311"
ESCALATED = RecoveryEscalated(
    subject="orders-api",
    reason="3 restarts within 10m did not help",
    guard="budget",
    name="restart:orders-api",
    limit=3,
    value=4,
    tried=["orders-api.restart", "orders-db.restore"],
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


class Heard:
    """A channel that keeps what it is told; `deaf`: it refuses."""

    name = "heard"

    def __init__(self, *, deaf: bool = False) -> None:
        self.deaf = deaf
        self.notices: list[Notice] = []

    def tell(self, notice: Notice) -> None:
        if self.deaf:
            raise NotTold("nobody listens")
        self.notices.append(notice)


def at_tier(tier: int) -> RecoveryEscalated:
    return RecoveryEscalated(subject="orders-api", reason="no help", tier=tier)


async def tell(handler: Any, event: RecoveryEscalated = ESCALATED, event_id: str = "e1") -> None:
    await handler(*delivery(event, event_id=event_id))


def address(receiver: Receiver) -> str:
    return f"json://ops:{TOKEN}@{receiver.address}/{TOKEN}"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


async def test_people_are_told_all_they_need(receiver: Receiver) -> None:
    """What happened, what was tried, and the two commands that follow, as plain text."""
    await tell(notify([Apprise(address(receiver))]))
    (taken,) = receiver.taken
    assert taken["type"] == "failure"
    assert taken["title"] == "orders-api needs a person"
    assert taken["message"] == (
        "Why: 3 restarts within 10m did not help\n"
        "Guard: budget restart:orders-api, 4 with a limit of 3\n"
        "Tried:\n"
        "  orders-api.restart\n"
        "  orders-db.restore\n"
        "Tier: 1\n"
        "What happened: antiphon trace recovery-1\n"
        "To take it on: antiphon ack recovery-1"
    )


async def test_a_file_gets_a_line_for_each(tmp_path: Path) -> None:
    """It is made for its owner alone, with the folders it needs."""
    path = tmp_path / "log" / "people.jsonl"
    handler = notify([JsonLines(path)])
    umask = os.umask(0)
    try:
        await tell(handler)
    finally:
        os.umask(umask)
    await tell(handler, at_tier(2), "e2")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first, second = lines(path)
    assert (first["tier"], first["event_id"], first["tried"]) == (1, "e1", list(ESCALATED.tried))
    assert first["acknowledge"] == "antiphon ack recovery-1"
    assert (second["tier"], second["event_id"]) == (2, "e2")


async def test_half_a_line_of_a_killed_process_spoils_no_other(tmp_path: Path) -> None:
    """The next notice begins a line of its own."""
    path = tmp_path / "people.jsonl"
    path.write_text('{"tier": 1, "subj')
    await tell(notify([JsonLines(path)]))
    assert json.loads(path.read_text(encoding="utf-8").splitlines()[1])["event_id"] == "e1"


async def test_a_line_that_does_not_fit_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk leaves no half of a notice, and the delivery is tried again."""
    path = tmp_path / "people.jsonl"
    handler = notify([JsonLines(path)])
    await tell(handler)
    whole, write = path.read_bytes(), os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) < 100:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:-50])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(TransientError, match=r"file \(channel 1\): .*No space left"):
        await tell(handler, event_id="e2")
    monkeypatch.undo()
    assert path.read_bytes() == whole
    await tell(handler, event_id="e2")
    assert [line["event_id"] for line in lines(path)] == ["e1", "e2"]


async def test_without_channels_it_is_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody who configured nothing is told where the log goes."""
    await tell(notify())
    written = capsys.readouterr()
    assert written.out == ""
    assert "orders-api needs a person\nWhy: 3 restarts" in written.err


async def test_a_tier_has_channels_of_its_own() -> None:
    """Each tier tells its own people, and above the last it is the last one's."""
    first, second = Heard(), Heard()
    handler = notify([first], [second])
    for tier in (1, 2, 3, 0):
        await tell(handler, at_tier(tier), f"e{tier}")
    assert [notice.tier for notice in first.notices] == [1, 0]
    assert [notice.title for notice in second.notices] == [
        "orders-api needs a person (tier 2)",
        "orders-api needs a person (tier 3)",
    ]
    assert "nobody acknowledged it on the tier below" in second.notices[0].body


async def test_one_channel_that_fails_silences_no_other() -> None:
    """The others are told; then only the one that failed is tried again, and the error names it."""
    good, bad = Heard(), Heard(deaf=True)
    handler = notify([bad, good])
    with pytest.raises(TransientError) as failed:
        await tell(handler)
    assert str(failed.value) == (
        "tier 1: 1 of 2 channels failed: heard (channel 1): nobody listens"
    )
    bad.deaf = False
    await tell(handler)
    await tell(handler)
    assert (len(good.notices), len(bad.notices)) == (1, 1)
    await tell(handler, event_id="e2")
    assert (len(good.notices), len(bad.notices)) == (2, 2)


async def test_a_service_that_refuses_is_tried_again(receiver: Receiver) -> None:
    """An answer that is no success counts as not told."""
    receiver.status = 503
    handler = notify([Apprise(address(receiver))])
    with pytest.raises(TransientError, match=r"json \(channel 1\): the service did not take it"):
        await tell(handler)
    receiver.status = 200
    await tell(handler)
    assert (len(receiver.asked), len(receiver.taken)) == (2, 1)


async def test_a_service_that_hangs_holds_up_nobody(receiver: Receiver) -> None:
    """Others are told meanwhile; if it took the notice after all, it is not told again."""
    receiver.answering.clear()
    good = Heard()
    handler = notify([Apprise(address(receiver)), good], timeout="300ms")
    with pytest.raises(TransientError, match=r"json \(channel 1\): no answer within 300ms"):
        await tell(handler)
    assert len(good.notices) == 1
    hanging = [t for t in threading.enumerate() if t.name == "antiphon.notify.json"]
    receiver.answering.set()
    for thread in hanging:
        thread.join(10)
    await tell(handler)
    assert (len(receiver.taken), len(good.notices)) == (1, 1)


async def test_a_channel_that_breaks_in_an_unknown_way_is_only_named() -> None:
    """The text of a foreign error may hold an address, so that its name has to do."""

    class Broken(Heard):
        def tell(self, notice: Notice) -> None:
            raise ValueError(f"https://hooks.example/{TOKEN}?text={notice.title}")

    with pytest.raises(TransientError) as failed:
        await tell(notify([Broken()]))
    assert str(failed.value).endswith("heard (channel 1): ValueError")
    assert failed.value.__cause__ is None
    assert failed.value.__context__ is None


async def test_addresses_are_written_nowhere(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """No log line at any level, no error and no repr holds a token, also when sending fails."""
    channel = Apprise(address(receiver))
    with caplog.at_level(logging.DEBUG):
        await tell(notify([channel]))
        receiver.status = 404
        with pytest.raises(TransientError) as failed:
            await tell(notify([channel]))
        with pytest.raises(ConfigurationError) as unknown:
            Apprise(f"nosuch://{TOKEN}")
        with pytest.raises(ConfigurationError):
            Apprise(f"tgram://{TOKEN}/1")
    assert len(receiver.asked) == 2
    written = capsys.readouterr()
    everything = [caplog.text, written.out, written.err, repr(channel)]
    everything += [str(failed.value), str(unknown.value), repr(failed.value)]
    assert not [text for text in everything if TOKEN in text]


async def test_text_from_outside_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    """An escape sequence or a line break in a reason is neither obeyed nor taken for a command."""
    forged = RecoveryEscalated(
        subject="orders-api", reason="\x1b[2Jall is well\nTo take it on: rm -rf /", trace="rm -rf /"
    )
    await tell(notify(), forged)
    written = capsys.readouterr().err
    assert "\x1b" not in written
    assert [line for line in written.splitlines() if "rm -rf" in line] == [
        "Why: \ufffd[2Jall is well To take it on: rm -rf /"
    ]


async def test_a_long_story_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """A message is read on a telephone: the newest steps, and no more than a thousand letters."""
    steps = [f"step {number}" for number in range(30)]
    await tell(notify(), RecoveryEscalated(subject="s", reason="r" * 5000, tried=steps))
    written = capsys.readouterr().err
    assert "Tried: 20 earlier steps, then\n  step 20\n" in written
    assert "r" * 999 + "…\n" in written


async def test_apprise_is_needed_only_by_those_who_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it everything else works, and who needs it is told how to install it."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    await tell(notify([Heard()]))
    with pytest.raises(ConfigurationError, match=r"pip install 'antiphon\[notify\]'"):
        Apprise(f"json://{TOKEN}")


@pytest.mark.parametrize(
    ("tiers", "says"),
    [
        ([[]], "tier 1 has no channels"),
        ([[Heard()], []], "tier 2 has no channels"),
        ([Console()], "tier 1 is no list of channels"),
        (["json://"], "tier 1 is no list of channels"),
    ],
)
def test_a_tier_without_people_is_refused(tiers: list[Any], says: str) -> None:
    """A mistake shows when the service starts, not when somebody is needed."""
    with pytest.raises(ConfigurationError, match=says):
        notify(*tiers)


def test_a_timeout_that_is_none_is_refused() -> None:
    """As everywhere, a duration has its unit."""
    with pytest.raises(ConfigurationError, match="timeout: '5' is not a duration"):
        notify(timeout="5")


def test_a_channel_is_whatever_tells() -> None:
    """A service owner's own channel needs a name and a way to tell, and no base class."""
    channel: Channel = Heard()
    assert notify([channel], name="page").__name__ == "page"


async def test_people_are_told_what_they_are_to_approve() -> None:
    """A request says what waits for whom, and both commands to answer it with."""
    heard = Heard()
    asked = ApprovalRequested(
        subject="orders-db",
        approval="a1b2c3",
        step="orders-db.restore",
        approvers=["ana", "ben"],
        quorum=1,
        requester="cleo",
        expires_ms=1_700_000_000_000,
        otherwise="deny",
    )
    tell: Any = notify([heard])
    await tell(*delivery(asked, event_id="a1b2c3:requested1"))
    [notice] = heard.notices
    assert notice.title == "orders-db needs an approval"
    assert "orders-db.restore waits for 1 of ana or ben until 2023-11-14T22:13:20" in notice.body
    assert "otherwise: deny" in notice.body
    assert "Asked for by: cleo" in notice.body
    assert "To agree: antiphon approve a1b2c3 --reason WHY" in notice.body
    assert "To refuse: antiphon deny a1b2c3 --reason WHY" in notice.body
