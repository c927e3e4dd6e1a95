"""``antiphon report``: what is to be said after an incident, and at the end of a quarter."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from antiphon import Settings
from program import antiphon
from reporting import StrictReader
from reviewed import Shop
from witness import Witness


async def test_a_report_of_a_real_recovery(settings: Settings, witness: Witness) -> None:
    """Paused, retried, approved: what happened, what it waited for, and what people did."""
    async with Shop.opened(settings, witness) as shop:
        recovery = await shop.restored()
        told = await antiphon(settings, "report", recovery)
        assert told.status == 0, told.err
        for words in (
            "# Incident: database.failed about orders-db\n",
            "| verdict | completed: everything that was owed was done |",
            "| by hand | 3 acts: ",
            "**by hand:** ana paused subject:orders-db: a deploy |",
            "**by hand:** ana resumed subject:orders-db: a deploy |",
            "**by hand:** ben approved shop.restart: seen it |",
            "| held | shop.restore | pause (subject:orders-db) | for ",
            "`` TransientError: the backup store is away \\| try `later` `` |",
            "| pauses | ",
            "| backoff before a retry | ",
            "1 of 4 attempts did not complete:",
        ):
            assert words in told.out, told.out
        assert "Who paused" not in told.out
        shown = await antiphon(settings, "report", recovery, "--format", "html")
        reader = StrictReader.read(shown.out)
        assert "svg" in reader.tags
        assert "ben approved shop.restart: seen it" in reader.text


async def test_several_recoveries_and_a_file(
    settings: Settings, witness: Witness, tmp_path: Path
) -> None:
    """One report of all, the earliest first; nothing on standard output when it goes to a file."""
    async with Shop.opened(settings, witness) as shop:
        failed, cancelled = await shop.failed(), await shop.cancelled()
        place = tmp_path / "report.md"
        told = await antiphon(settings, "report", cancelled, failed, "-o", str(place))
        assert (told.status, told.out, told.err) == (0, "", "")
        again = await antiphon(settings, "report", failed, cancelled, failed)
    report = place.read_text()
    assert report.startswith("# 2 incidents\n")
    assert again.out.startswith("# 2 incidents\n"), "one that is named twice is one"
    overview = report.partition("\n## service.failed")[0]
    assert overview.index("service.failed about orders-api") < overview.index(
        "database.failed about billing-db"
    )
    assert "`PermanentError: no such phone number`" in report
    assert "cleo cancelled the recovery: a drill" in report


async def test_a_review_of_real_recoveries(settings: Settings, witness: Witness) -> None:
    """By cause and verdict, with retries, dead letters and what people did."""
    async with Shop.opened(settings, witness) as shop:
        await shop.restored()
        await shop.failed()
        await shop.cancelled()
        told = await antiphon(settings, "report", "--since", "90d", "--format", "json")
        assert told.status == 0, told.err
        review = told.document
        assert (review["recoveries"], review["verdicts"]) == (
            3, {"cancelled": 1, "completed": 1, "failed": 1},
        )  # fmt: skip
        assert review["handlers"]["shop.restore"]["retries"] == 2
        assert review["handlers"]["shop.page"]["dead_letters"] == 1
        assert review["handlers"]["shop.restart"]["by_hand"] == {"approve": 1}
        assert review["acts"] == {"approve": 1, "cancel": 1}
        assert review["switches"] == {"pause": 1, "resume": 1, "reset": 0}
        assert review["recovery_time_ms"]["count"] == 1
        page = await antiphon(settings, "report", "--since", "1h", "--format", "html")
        assert "orders-db" in StrictReader.read(page.out).text


async def test_a_cell_without_recoveries(settings: Settings) -> None:
    """It says that there is none, and that this is no mistake."""
    told = await antiphon(settings, "report", "--since", "90d")
    assert told.status == 0, told.err
    assert "No recovery opened in this time, as far as is known." in told.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "a report on what? Name a recovery"),
        (("some-id", "--since", "90d"), "'some-id' and --since ask for two different reports"),
        (("--since", "90d", "--logs", "x"), "--logs and --since ask for two different reports"),
        (("some-id", "--format", "json"), "--format json is of a review"),
        (
            tuple(f"x{number}" for number in range(101)),
            "101 recoveries are too many for one report",
        ),
        (("some-id",), "no recovery 'some-id' is recorded in the cell"),
        (("some-id", "-o", "/no/such/folder/x.md"), "'/no/such/folder/x.md': there is no such"),
        (("some-id", "-o", "/"), "cannot write the report to '/': it is a folder"),
        (("--since", "99999d"), "at most 3660d"),
        (("a", "b", "--logs", "-"), "standard input can be read once"),
        (("--logs", "/no/such.log", "x"), "cannot read the log file '/no/such.log'"),
    ],
)
async def test_mistakes_are_one_line(
    settings: Settings, arguments: tuple[str, ...], words: str
) -> None:
    """Each names the value and the remedy, and ends with status 2."""
    told = await antiphon(settings, "report", *arguments)
    assert told.status == 2
    assert words in told.complaint


async def test_logs_are_enough(settings: Settings, tmp_path: Path) -> None:
    """When the record has expired, log lines make the report; files may follow the option."""
    from trace_story import a_whole_recovery  # noqa: PLC0415

    story = a_whole_recovery()
    lines = story.text.splitlines(keepends=True)
    halves = [tmp_path / "a.log", tmp_path / "b.log"]
    for place, part in zip(halves, (lines[::2], lines[1::2]), strict=True):
        place.write_text("".join(part))
    told = await antiphon(settings, "report", story.correlation_id, "--logs", *map(str, halves))
    assert told.status == 0, told.err
    assert "from log lines alone" in told.out
    assert "pager.page failed for good after 1.0 s" in told.out
    alone = await antiphon(settings, "report", "--logs", *map(str, halves))
    assert "name a recovery as well" in alone.complaint


def test_progress_is_shown_on_terminals_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is written when standard error is a file; a terminal is left as it was."""
    from antiphon.cli.progress import progress  # noqa: PLC0415

    with progress("Reading", 2) as step:
        step()
        step(total=3)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setitem(os.environ, "FORCE_COLOR", "1")
    with progress("Reading", 2) as step:
        step()
    out, err = capsys.readouterr()
    assert out == ""
    assert "Reading" in err
    assert json.dumps(err)
