"""The truth about each recovery, put together from the diaries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seeing.diary import Note, read

_SETTLED = {"commit": "completed", "bury": "died"}
_DECISIONS = {4: "duplicate", 5: "waiting", 6: "joined", 8: "suppressed", 11: "outrun", 12: "late"}
_NEWS, _WAS_HELD = 10, 14
_HELD, _RUN = 7, 1

Place = tuple[str, str, str]
"""Group, event and entry of a delivery."""

_A_LINE_S = 0.1
"""Longer than it takes to log what was answered."""


@dataclass
class Run:
    """One attempt, from the answer that let it run to the answer that settled it."""

    consumer: str
    no: int
    token: int
    previous: str
    owner: str
    at: float
    began: Note | None = None
    ended: Note | None = None
    outcome: str = ""
    """What it was settled as: empty when nothing was answered, `refused` when it was too late."""

    error: str = ""
    doubtful: str = ""
    """What it would have been settled as, had anybody lived to hear the answer."""


@dataclass
class Delivery:
    """What was decided about one delivery."""

    runs: list[Run] = field(default_factory=list)
    held: list[tuple[str, str]] = field(default_factory=list)
    """By which guard and name, each time it began."""

    decided: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    unheard: list[Note] = field(default_factory=list)
    """What was asked about it by a process that died before the answer."""


@dataclass
class Truth:
    """What happened in one recovery."""

    id: str
    root: Note
    bare: bool = False
    child: bool = False
    """Whether a step of another was to start it, which it did if it was committed."""

    deliveries: dict[Place, Delivery] = field(default_factory=lambda: defaultdict(Delivery))
    coalesced: int = 0
    told: int = 0
    """How often people were told."""

    notes: list[Note] = field(default_factory=list)
    """What the injector did."""

    timers: list[Note] = field(default_factory=list)
    """What was fired, with the answers."""

    relapse_of: str = ""
    halted: str = ""
    unheard: list[Note] = field(default_factory=list)
    """Timers and the like that somebody died over."""

    cut_off: bool = False
    """Whether somebody died so soon after an answer that no line need tell of it."""

    @property
    def doubtful(self) -> bool:
        """Whether somebody died over anything that was decided in it."""
        return bool(self.unheard) or any(d.unheard for d in self.deliveries.values())


@dataclass
class Truths:
    """All recoveries, and what befell all of them."""

    recoveries: dict[str, Truth]
    dead: set[str]
    """The workers that died."""

    crashes: int
    """How often the server was killed."""


def gather(folder: Path) -> Truths:
    """Read the diaries of a folder."""
    notes = list(read(folder))
    truths = dict(_roots(notes))
    for parent in notes:
        if parent["what"] == "returned":
            for child, kind, subject in parent["children"]:
                cause = parent["event"]
                root = {"event": child, "type": kind, "subject": subject, "cause": cause}
                truths[child] = Truth(child, root, bare=True, child=True)
    answered = {(n["author"], n["number"]) for n in notes if n["what"] == "answered"}
    repeated = _repeated(notes)
    for note in notes:
        truth = truths.get(note.get("correlation", ""))
        if truth is None:
            continue
        match note["what"]:
            case "asked" if (note["author"], note["number"]) not in answered:
                _unheard(truth, note)
            case "answered":
                _answered(truth, note)
                if (note["author"], note["number"]) in repeated:
                    _where(truth, note).append(note)  # what came of it the first time
            case "began" | "returned" | "raised" | "interrupted":
                _lived(truth, note)
            case _:
                truth.notes.append(note)
    dead = {note["consumer"] for note in notes if note["what"] == "died"}
    _cut_off(notes, truths, dead)
    return Truths(truths, dead, sum(note["what"] == "server killed" for note in notes))


def _repeated(notes: Iterable[Note]) -> set[tuple[str, int]]:
    """Find the calls whose answer is that to a repetition: the server was killed meanwhile."""
    kills = [note["at"] for note in notes if note["what"] == "server killed"]
    asked = {(n["author"], n["number"]): n["at"] for n in notes if n["what"] == "asked"}
    answered = {(n["author"], n["number"]): n["at"] for n in notes if n["what"] == "answered"}
    return {
        call
        for call, until in answered.items()
        if any(asked[call] <= killed <= until for killed in kills)
    }


def _cut_off(notes: Iterable[Note], truths: Mapping[str, Truth], dead: set[str]) -> None:
    """Find the recoveries in which somebody died before what was answered could be logged."""
    last = {note["author"]: note["at"] for note in sorted(notes, key=lambda note: note["at"])}
    for note in notes:
        author, truth = note["author"], truths.get(note.get("correlation", ""))
        if truth and author in dead and note["what"] == "answered":
            truth.cut_off = truth.cut_off or note["at"] > last[author] - _A_LINE_S


def _roots(notes: Iterable[Note]) -> Iterable[tuple[str, Truth]]:
    planned = {note["event"]: note for note in notes if note["what"] == "publishing"}
    for note in notes:
        if note["what"] == "published" and not note["coalesced"]:
            root = planned[note["event"]]
            yield note["correlation"], Truth(note["correlation"], root, bare="bare" in note)


def _answered(truth: Truth, note: Note) -> None:  # noqa: C901 - one case for each script
    script, reply = note["script"], note["reply"]
    place = note["group"], note["event"], note.get("entry", "")
    match script:
        case "admit":
            if reply[0] == _WAS_HELD:
                reply = reply[2]
            if reply[0] == _NEWS:
                _onsets(truth, reply[2:])
                reply = reply[1]
            _admitted(truth, truth.deliveries[place], note, reply)
        case "pass":
            if reply[0] == 1 and reply[2]:
                truth.deliveries[place].decided.append(("skipped", ()))
            _onsets(truth, reply[3:])
        case "commit" | "bury" | "postpone":
            _settled(truth.deliveries[place], note, reply)
        case "publish":
            _onsets(truth, reply[2:])
        case "coalesce":
            truth.coalesced += reply[0] == 1 and reply[2] == 1
        case "raise":
            truth.told += reply[0] == 1
        case "stall" if reply[0] == 1:
            truth.told += 1
            truth.timers.append(note)
        case _:
            truth.timers.append(note)


def _onsets(truth: Truth, news: list[Any]) -> None:
    for guard, _, _, _, _, told, of in news:
        truth.relapse_of = of if guard == "relapse" else truth.relapse_of
        truth.told += bool(told)


def _admitted(truth: Truth, delivery: Delivery, note: Note, reply: list[Any]) -> None:
    number, *rest = reply
    if number == _RUN:
        token, attempt, _, previous, *_ = rest
        if any(run.owner == note["owner"] for run in delivery.runs):
            return  # the same answer to a repetition
        delivery.runs.append(
            Run(note["consumer"], int(attempt), int(token), previous, note["owner"], note["at"])
        )
    elif number == _HELD:
        guard, name, _, _, _, said = rest
        if said == 1:
            delivery.held.append((guard, name))
        truth.told += said == 3
    elif number in _DECISIONS:
        kind = _DECISIONS[number]
        if kind == "suppressed":
            guard, name, _, _, _, why, _, told, path, _ = rest
            truth.told += bool(told)
            truth.halted = path or truth.halted
            delivery.decided.append((kind, (guard, name, why)))
        else:
            delivery.decided.append((kind, tuple(rest)))


def _settled(delivery: Delivery, note: Note, reply: list[Any]) -> None:
    run = _run(delivery, note["owner"])
    if run is None:
        return
    if reply[0] == 2:
        run.outcome = run.outcome or "refused"
    else:
        run.outcome = _SETTLED.get(note["script"]) or note["how"]
        run.error = note.get("error", "")
        if run.outcome == "held":
            delivery.held.append((note["guard"], note["name"]))


def _where(truth: Truth, note: Note) -> list[Note]:
    """What nobody heard of a delivery, or of the recovery as a whole."""
    if not note["group"]:
        return truth.unheard
    return truth.deliveries[note["group"], note["event"], note["entry"]].unheard


def _unheard(truth: Truth, note: Note) -> None:
    _where(truth, note).append(note)
    if not note["group"]:
        return
    run = _run(truth.deliveries[note["group"], note["event"], note["entry"]], note["owner"])
    if run is not None and note["script"] in {"commit", "bury", "postpone"}:
        run.doubtful = _SETTLED.get(note["script"]) or note["how"]
        run.error = note.get("error", "")


def _lived(truth: Truth, note: Note) -> None:
    for (group, event, _), delivery in truth.deliveries.items():
        if (group, event) == (note["group"], note["event"]):
            for run in delivery.runs:
                if run.token == note["token"]:
                    if note["what"] == "began":
                        run.began = note
                    else:
                        run.ended = note
                    return
    raise AssertionError(f"nobody was let run as {note}")


def _run(delivery: Delivery, owner: str) -> Run | None:
    return next((run for run in delivery.runs if run.owner == owner), None)
