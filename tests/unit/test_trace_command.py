"""`antiphon trace --logs`: what it prints and how it ends, without a server."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from antiphon.cli.main import main
from trace_story import Story, a_whole_recovery


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["antiphon", *arguments])
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def completed() -> Story:
    story = Story()
    failed = story.opens("service.failed", "orders-db")
    done = story.after(1).starts("orders-db.restore", failed, "db-host")
    story.after(1).completes(done)
    story.closes(done, "completed", done=1)
    return story


def test_a_completed_recovery_ends_with_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A script can tell success by the exit status."""
    story, log = completed(), tmp_path / "all.log"
    log.write_text(story.text)
    assert run(monkeypatch, "trace", story.correlation_id, "--logs", str(log)) == 0
    assert f"Recovery {story.correlation_id}: COMPLETED\n" in capsys.readouterr().out


def test_logs_of_several_services_make_one_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The option may be repeated, and one of the files may be standard input; 1 is for partial."""
    story, log = a_whole_recovery(), tmp_path / "half.log"
    lines = story.text.splitlines(keepends=True)
    log.write_text("".join(lines[::2]))
    rest = io.TextIOWrapper(io.BytesIO("".join(lines[1::2]).encode()))
    monkeypatch.setattr("sys.stdin", rest)
    arguments = ("--logs", str(log), "--logs", "-", "--json")
    assert run(monkeypatch, "trace", story.correlation_id, *arguments) == 1
    shown = json.loads(capsys.readouterr().out)
    assert (shown["source"], shown["verdict"], shown["missing"]) == ("logs", "partial", [])
    assert len(shown["steps"]) == 7


def test_an_unknown_id_ends_with_2_and_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One line names the id, the files that were searched, and what to do."""
    log = tmp_path / "all.log"
    log.write_text(completed().text)
    assert run(monkeypatch, "trace", "unheard-of", "--logs", str(log)) == 2
    assert capsys.readouterr().err == (
        f"antiphon: no line of {log} tells of a recovery 'unheard-of': give the JSON logs of the "
        "services that took part, or leave out --logs to read its record\n"
    )


def test_a_log_that_cannot_be_read_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named, with the reason."""
    assert run(monkeypatch, "trace", "any", "--logs", "no/such.log") == 2
    assert capsys.readouterr().err == (
        "antiphon: cannot read the log file 'no/such.log': No such file or directory\n"
    )


def test_a_shell_pattern_names_all_logs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`--logs *.jsonl`, which the shell makes several arguments of, reads every file."""
    story, files = a_whole_recovery(), (tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    lines = story.text.splitlines(keepends=True)
    for number, file in enumerate(files):
        file.write_text("".join(lines[number::2]))
    arguments = ("--logs", *map(str, files), "--json")
    assert run(monkeypatch, "trace", story.correlation_id, *arguments) == 1
    assert json.loads(capsys.readouterr().out)["missing"] == []


def test_a_log_without_the_option_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is not asked to be read is a slip of the pen, and said so."""
    assert run(monkeypatch, "trace", "some-id", "a.jsonl") == 2
    assert "'a.jsonl' is one argument too many" in capsys.readouterr().err
