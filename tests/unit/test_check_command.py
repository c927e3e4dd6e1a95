"""``antiphon check``: faults of a choreography, told at their place and without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon import Settings
from documents import ROOT, blocks
from program import Ended, antiphon

_HEAD = """
from antiphon import Approval, Joined, Recovery, Service, all_of
from antiphon.choreography import accept
from antiphon_events import *

db, api, web = Service("db"), Service("api"), Service("web")
"""
_CIRCLE = """
@db.on(DatabaseFailed, ServiceRestarted.about("api"))
async def restore(event) -> DatabaseRestored: ...

@api.on(DatabaseRestored)
async def restart(restored) -> ServiceRestarted: ...
"""
_JOIN = """
@web.on(all_of(ServiceFailed, CacheWarmed))
async def reopen(joined: Joined) -> None: ...
"""
_GOAL = "db.goal(DatabaseFailed, DatabaseRestored)"
_OFFSPRING = """@db.on(DatabaseFailed, max_visits=1)
def restore(failed: DatabaseFailed, recovery: Recovery) -> None:
    recovery.start(DatabaseFailed(subject="other"))
"""
_DEMO = "antiphon_handlers.demo"
_GUIDE = "how-to/check-a-choreography.md"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module in the folder the command is run in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "shop.py"


def planted(shop: Path, code: str) -> None:
    written(shop, _HEAD + code)


def written(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")


async def check(*names: str) -> Ended:
    ended = await antiphon(Settings(), "check", *names)
    assert ended.err == ""
    return ended


@pytest.mark.parametrize(
    ("code", "place"),
    [
        (_CIRCLE, "shop.py:8: warning: cycle: db.restore is in a circle"),
        (_JOIN, "shop.py:8: problem: join-never: web.reopen waits for all of 2"),
        (
            "@web.on(CacheWarmed)\ndef reopen(warmed) -> None: ...",
            "shop.py:7: problem: never-triggered: web.reopen reacts only to cache.warmed",
        ),
        (
            "\n\n@db.on(DatabaseFailed)\ndef restore(failed) -> CacheLost: ...",
            "shop.py:9: problem: unhandled-failure: db.restore publishes cache.lost",
        ),
        (
            "@db.on(DatabaseFailed, timeout=None)\ndef restore(failed) -> None: ...",
            "shop.py:7: warning: unbounded-retry: db.restore has 5 attempts and no timeout",
        ),
        (
            "@db.on(DatabaseFailed, on_failure=CacheLost)\ndef restore(failed) -> None: ...",
            "shop.py:7: problem: unhandled-failure: db.restore publishes cache.lost when",
        ),
        (
            "@db.on(CacheLost, approval=Approval(within=None))\ndef restore(lost) -> None: ...",
            "shop.py:7: problem: endless-approval: db.restore waits for an approval for ever",
        ),
        (
            '@web.on(all_of(CacheLost), within="10m")\ndef reopen(joined) -> None: ...',
            "shop.py:7: warning: unheard-timeout: web.reopen stops waiting after 10m",
        ),
        (
            f"{_GOAL}\n@db.on(DatabaseFailed)\ndef restore(failed) -> DatabaseRestored | None: ...",
            "shop.py:8: problem: goal-missed: db.restore ends a way on which the goal",
        ),
        (
            _GOAL,
            "shop.py:7: problem: goal-missed: db declares the goal database.restored from",
        ),
        (
            _OFFSPRING,
            "shop.py:7: problem: cycle: db.restore is in a circle of recoveries that start one",
        ),
    ],
    ids=[
        "cycle",
        "join-never",
        "never-triggered",
        "unhandled-failure",
        "unbounded-retry",
        "unhandled-failure-of-a-death",
        "endless-approval",
        "unheard-timeout",
        "goal-missed",
        "goal-nobody-hears",
        "cycle-of-recoveries",
    ],
)
async def test_a_planted_fault_is_found_at_its_place(shop: Path, code: str, place: str) -> None:
    """File, line, how bad, what, and who; then what to do."""
    planted(shop, code)
    ended = await check("shop:db", "shop:api", "shop:web")
    assert ended.status == 1
    first, remedy, *_, count = ended.out.splitlines()
    assert first.startswith(place)
    assert remedy.startswith("  → ")
    assert "accepted: 0." in count


async def test_one_name_for_two_is_found_at_both_places(shop: Path) -> None:
    """Either can be given another name."""
    planted(
        shop,
        'other = Service("db")\n'
        "@db.on(DatabaseFailed)\ndef restore(failed) -> None: ...\n"
        "@other.on(ServiceFailed)\ndef restore(failed) -> None: ...\n",
    )
    ended = await check("shop:db", "shop:other")
    assert ended.status == 1
    assert [line.partition(" is ")[0] for line in ended.out.splitlines()[::3][:2]] == [
        "shop.py:8: problem: same-name: db.restore",
        "shop.py:10: problem: same-name: db.restore",
    ]


async def test_what_is_accepted_is_listed_with_its_reason(shop: Path) -> None:
    """It is no fault, and nobody forgets it."""
    accepted = '\n@accept("cycle", reason="the second\\n restore does nothing")'
    planted(shop, accepted + _CIRCLE)
    ended = await check("shop:db", "shop:api")
    assert ended.status == 0
    assert ended.out.splitlines() == [
        "Accepted:",
        (
            "shop.py:8: warning: cycle: db.restore is in a circle that only a limit halts "
            "(if subjects and conditions let it): db.restore → database.restored → api.restart → "
            "service.restarted → db.restore"
        ),
        "  accepted because: the second restore does nothing",
        "",
        "2 handlers examined. Problems: 0, warnings: 0, accepted: 1.",
    ]


async def test_findings_are_json_for_programs(shop: Path) -> None:
    """Accepted ones are there, and told apart."""
    planted(shop, f'{_CIRCLE}\n@accept("join-never", reason="not yet"){_JOIN}')
    ended = await antiphon(Settings(), "check", "shop:db", "shop:api", "shop:web", "--json")
    assert ended.status == 1
    document = ended.document
    assert document["ok"] is False
    known = [(one["code"], one["file"], one["handler"]) for one in document["findings"]]
    assert known == [("cycle", "shop.py", "db.restore"), ("join-never", "shop.py", "web.reopen")]
    assert [one["accepted"] for one in document["findings"]] == [None, "not yet"]
    assert document["findings"][0].keys() == {
        "code", "severity", "handler", "file", "line", "message", "remedy", "accepted",
    }  # fmt: skip
    ended = await antiphon(Settings(), "check", "shop:web", "--json")
    assert (ended.status, ended.document["ok"]) == (0, True)


async def test_the_demo_is_quiet() -> None:
    """The shop that Antiphon shows has no fault that can be known."""
    services = ("orders_db", "orders_cache", "orders_api", "web")
    ended = await check(*(f"{_DEMO}.services:{name}" for name in services))
    assert ended.status == 0
    assert ended.out == "4 handlers examined. Problems: 0, warnings: 0, accepted: 0.\n"


async def test_the_loop_of_the_demo_is_found() -> None:
    """Two restarts that break each other's service are a circle before anything runs."""
    module = f"{_DEMO}.guards.cascade_services"
    ended = await check(f"{module}:orders_api", f"{module}:orders_cache")
    assert ended.status == 1
    (line,) = [line for line in ended.out.splitlines() if "cycle" in line]
    assert line.endswith(
        ": orders-api.restart → service.failed → orders-cache.restart → service.failed → "
        "orders-api.restart"
    )


async def test_the_example_of_the_readme_is_quiet(shop: Path) -> None:
    """With the two services it leaves out, which warm the cache and restart the API."""
    _, _, rest = (ROOT / "README.md").read_text(encoding="utf-8").partition("```python\n")
    written(shop, rest.partition("```")[0])
    others = (f"{_DEMO}.services:orders_cache", f"{_DEMO}.services:orders_api")
    ended = await check("shop:orders_db", "shop:web", *others)
    assert (ended.status, ended.out.split(".")[0]) == (0, "4 handlers examined")


async def test_what_a_module_says_is_not_the_answer(shop: Path) -> None:
    """Programs read standard output."""
    planted(shop, 'print("hello")')
    ended = await antiphon(Settings(), "check", "shop:db", "--json")
    assert (ended.status, ended.err) == (0, "hello\n")
    assert ended.document == {"ok": True, "findings": []}


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("import no_such_thing", "shop:db does not load: ModuleNotFoundError: No module named"),
        ("\n\n1 / 0", "shop:db does not load: ZeroDivisionError: division by zero (shop.py:9)"),
        ("def :", "shop:db does not load: SyntaxError: invalid syntax (shop.py, line 7)"),
        ("raise SystemExit(0)", "shop:db does not load: SystemExit: 0 (shop.py:7)"),
        ("del db", "shop has no service 'db'; it has: api, web"),
        ("Service('no name')", "service 'no name' is not a name"),
    ],
)
async def test_a_module_that_does_not_load_is_one_line(
    shop: Path, code: str, complaint: str
) -> None:
    """With status 2, told from a finding, and where it went wrong."""
    planted(shop, code)
    ended = await antiphon(Settings(), "check", "shop:db")
    assert (ended.status, ended.out) == (2, "")
    assert ended.complaint.startswith(complaint)


async def test_the_guide_shows_what_is_printed(shop: Path) -> None:
    """Every command of the page prints what the page says, of the module shown before it."""
    ran = 0
    for block in blocks(_GUIDE):
        if block.info[0] == "python":
            written(shop, block.text)
            continue
        if "--live" in block.text:
            continue  # of what runs: tests/integration/test_live_choreography.py
        command, _, expected = block.text.partition("\n")
        ended = await antiphon(Settings(), *command.removeprefix("$ antiphon ").split())
        assert (ended.out.strip(), ended.err) == (expected.strip(), "")
        ran += 1
    assert ran == 4
