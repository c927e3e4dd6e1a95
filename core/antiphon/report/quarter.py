"""A review as a document: what is asked every quarter, answered from what is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from antiphon.audit import Audit
from antiphon.instants import iso
from antiphon.report.document import (
    Block,
    Bullets,
    Code,
    Document,
    Line,
    Paragraph,
    Row,
    Section,
    Table,
)
from antiphon.report.percentiles import Lengths
from antiphon.report.review import OPEN, Review, Tally, most
from antiphon.trace.words import spell

_ROWS = 25
_VERDICTS = ("completed", "partial", "failed", "halted", "cancelled", OPEN)
_TREND = timedelta(days=45)
"""A trend by month says nothing of less."""

_SWITCHES = ("pause", "resume", "reset")
_OF_STEPS = {
    "approve": "approved",
    "deny": "denied",
    "replay": "delivered again",
    "drop": "thrown away",
}
"""What people do to the work of one handler, with the words for it."""

_NOT_PEOPLE = frozenset({"relapse guard", "storm brake"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a review was made from, so that it can say what it does not know."""

    now: datetime
    recorded_since: datetime
    """Recoveries that closed since then have their record."""

    whole_since: datetime
    """Since when no recovery is missing; not later than `recorded_since`."""

    filing: bool
    """Whether digests outlive the records, as settings go."""

    full_days: tuple[str, ...]
    """Days of which a part is missing."""

    unreadable: int
    """Digests that could not be read."""

    audit: Audit
    damaged: tuple[str, ...] = ()
    """Recoveries whose records could not be read."""

    stands_since: datetime | None = None
    """Since when nothing is filed any more, so that records have expired unfiled; else None."""

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "now": iso(self.now),
            "recorded_since": iso(self.recorded_since),
            "whole_since": iso(self.whole_since),
            "filing": self.filing,
            "full_days": list(self.full_days),
            "unreadable": self.unreadable,
            "damaged": list(self.damaged),
            "stands_since": iso(self.stands_since),
            "audit_is_whole": self.audit.whole,
        }


def switches(audit: Audit) -> Mapping[str, int]:
    """Count what people switched: pauses, resumes and guards reset."""
    rows = [row for row in audit.rows if row.by not in _NOT_PEOPLE]
    return {action: sum(row.action == action for row in rows) for action in _SWITCHES}


def review_document(review: Review, sources: Sources) -> Document:
    """Write a review down."""
    parts: Sequence[tuple[str, Iterable[Block]]] = (
        ("In short", _summary(review)),
        ("How far back this goes", _reach(review, sources)),
        ("By root cause and subject", _causes(review)),
        ("By root cause", _named("root cause", review.types)),
        ("By subject", _named("subject", review.subjects)),
        ("By month", _months(review, sources)),
        ("Most retried handlers", _retried(review)),
        ("Most manual steps", _manual(review)),
        ("What people did", _acts(review, sources)),
        ("Escalations", _escalations(review)),
        ("What took longest", _longest(review)),
        ("How this was reckoned", [Bullets(_METHOD)]),
    )
    sections = [Section(title, found) for title, blocks in parts if (found := list(blocks))]
    title = f"Recoveries from {_day(review.since)} to {_day(review.until)}"
    note = f"Made by antiphon report --since, as of {review.until:%Y-%m-%d %H:%M:%S} UTC."
    return Document(title, sections, f"{note} All times are UTC, by the server's clock.")


def _summary(review: Review) -> Iterator[Block]:
    total = review.total
    if not total.count:
        yield Paragraph("No recovery opened in this time, as far as is known.")
        return
    rows = [
        Row(
            (verdict, str(count), f"{count / total.count:.0%}", *_spread(review.durations[verdict]))
        )
        for verdict in _VERDICTS
        if (count := total.verdicts[verdict])
    ]
    rows.append(Row(("all", str(total.count), "", "", "", "")))
    yield Table(
        ("verdict", "recoveries", "share", "p50", "p95", "longest"), rows, frozenset(range(1, 6))
    )
    items: list[Line] = [
        (
            f"relapses: {total.relapses} of {total.count} ({review.relapse_rate:.0%}): the success "
            "before them had not held"
        ),
        f"without a hand: {total.count - total.by_hand} of {total.count}",
        (
            f"retries: {sum(it.retries for it in review.handlers.values())}; dead letters: "
            f"{sum(it.dead for it in review.handlers.values())}"
        ),
        f"past their deadline: {review.stalled}",
        f"people were told: {_times(review.told)}; not acknowledged: {review.unacknowledged}",
    ]
    if review.reopened:
        items.append(f"reopened after they had closed: {review.reopened}")
    if review.coalesced:
        items.append(f"further failures that joined an open recovery: {review.coalesced}")
    if review.children:
        items.append(f"children, started by another recovery: {review.children}")
    yield Bullets(items)


def _reach(review: Review, sources: Sources) -> Iterator[Block]:
    whole, asked = sources.whole_since, review.since
    if whole <= asked:
        yield Paragraph(f"Nothing is missing: recoveries are known since {_minute(whole)} UTC.")
    elif sources.filing:
        yield Paragraph(
            f"Nothing is missing since {_minute(whole)} UTC. Before that digests were not filed "
            f"yet, or had to make room, so what opened between {_day(asked)} and then may be "
            "missing, and rates and trends of that time are not to be trusted."
        )
    else:
        yield Paragraph(
            f"Only recoveries that closed since {_minute(sources.recorded_since)} UTC are known: "
            "no digests are filed."
        )
    items: list[Line] = [
        (
            "Records, with all that is in ",
            Code("antiphon trace"),
            ", are kept for ",
            Code("ANTIPHON_RECORD_RETENTION"),
            f": since {_minute(sources.recorded_since)} UTC.",
        ),
        (
            "A digest of each recovery is kept beyond that for ",
            Code("ANTIPHON_HISTORY_RETENTION"),
            ", at most ",
            Code("ANTIPHON_HISTORY_LIMIT"),
            " of them: set these to keep more. Workers file them, within half a minute or so.",
        ),
    ]
    if sources.stands_since is not None:
        items.append(
            f"No digest has been filed since {_minute(sources.stands_since)} UTC, and records have "
            "expired since: workers file them while they run."
        )
    if sources.full_days:
        some = ", ".join(sources.full_days[:_ROWS])
        items.append(f"A part is missing of days with too many recoveries: {some}.")
    if sources.unreadable:
        items.append(f"{sources.unreadable} digests could not be read; a newer release wrote them.")
    if sources.damaged:
        some = ", ".join(sources.damaged[:_ROWS])
        items.append(
            f"Recoveries whose records could not be read ({len(sources.damaged)}), because "
            f"something else wrote to their keys: {some}."
        )
    yield Bullets(items)


_COLUMNS = ("recoveries", "completed", "otherwise", "open", "relapses", "p50", "p95", "longest")


def _causes(review: Review) -> Iterator[Block]:
    rows = [Row((kind, subject, *_row(tally))) for (kind, subject), tally in most(review.causes)]
    yield from _table(("root cause", "subject", *_COLUMNS), rows, first_number=2)


def _named(name: str, tallies: Mapping[str, Tally]) -> Iterator[Block]:
    if len(tallies) > 1:
        rows = [Row((each, *_row(tally))) for each, tally in most(tallies)]
        yield from _table((name, *_COLUMNS), rows, first_number=1)


def _months(review: Review, sources: Sources) -> Iterator[Block]:
    if review.until - review.since < _TREND or not review.months:
        return
    rows, unknown = list[Row](), list[str]()
    for month, first, last in _month_spans(review.since, review.until):
        tally = review.months.get(month) or Tally()
        if not tally.count and last <= sources.whole_since:
            unknown.append(month)
            continue
        cut = first < max(review.since, sources.whole_since) or last > review.until
        rate = f"{tally.relapses / tally.count:.0%}" if tally.count else ""
        rows.append(Row((f"{month} (in part)" if cut else month, *_row(tally), rate)))
    yield from _table(("month", *_COLUMNS, "relapse rate"), rows, first_number=1)
    if unknown:
        yield Paragraph(f"Nothing is known of {', '.join(unknown)}.")


def _retried(review: Review) -> Iterator[Block]:
    ranked = sorted(review.handlers.items(), key=lambda it: (-it[1].retries, -it[1].dead, it[0]))
    rows = [
        Row((group, str(it.retries), str(it.retried_in), str(it.dead)))
        for group, it in ranked
        if it.retries or it.dead
    ]
    if rows:
        columns = ("handler", "retries", "in recoveries", "dead letters")
        yield from _table(columns, rows, first_number=1)


def _manual(review: Review) -> Iterator[Block]:
    ranked = sorted(review.handlers.items(), key=lambda it: (-it[1].acts.total(), it[0]))
    rows = [
        Row((group, *(str(it.acts[act]) for act in _OF_STEPS), str(it.acted_in)))
        for group, it in ranked
        if it.acts.total()
    ]
    if rows:
        columns = ("handler", *_OF_STEPS.values(), "in recoveries")
        yield from _table(columns, rows, first_number=1)


def _acts(review: Review, sources: Sources) -> Iterator[Block]:
    switched = switches(sources.audit)
    named = {
        "approved a step": review.acts["approve"],
        "denied a step": review.acts["deny"],
        "delivered a dead letter again": review.acts["replay"],
        "threw a dead letter away": review.acts["drop"],
        "acknowledged an escalation": review.acts["acknowledge"],
        "cancelled a recovery": review.acts["cancel"],
        "paused the automation": switched["pause"],
        "resumed it": switched["resume"],
        "reset a guard": switched["reset"],
    }
    items: list[Line] = [f"{what}: {_times(count)}" for what, count in named.items() if count]
    yield Bullets(items or ["Nothing by hand."])
    if not sources.audit.whole:
        yield Paragraph(
            "Pauses, resumes and resets are known as far back as the audit goes, some 10,000 acts."
        )


def _escalations(review: Review) -> Iterator[Block]:
    if not review.told:
        return
    p50, p95, longest = _spread(review.to_acknowledge)
    known = review.told - review.unacknowledged
    items: list[Line] = [
        f"people were told {_times(review.told)}, up to tier {review.highest_tier}",
        f"acknowledged: {known}; not: {review.unacknowledged}",
    ]
    if known:
        items.append(f"time to acknowledge: p50 {p50}, p95 {p95}, longest {longest}")
    yield Bullets(items)


def _longest(review: Review) -> Iterator[Block]:
    rows = [
        Row(
            (
                _minute(it.opened),
                f"{it.type} about {it.subject}",
                it.verdict or OPEN,
                spell(it.took or timedelta()),
                Code(it.correlation_id),
            )
        )
        for it in review.longest
    ]
    if rows:
        yield Table(
            ("opened (UTC)", "what failed", "verdict", "took", "recovery"), rows, frozenset({3})
        )


_METHOD = (
    "A recovery counts where it opened, once, however often it was reopened.",
    (
        "Recovery time is from its first event entering a stream to its closing, the last one; how "
        "long something had been broken before that event, nobody measures. Tables by cause, "
        "subject and month give it for recoveries that completed."
    ),
    (
        "p50 and p95 are by nearest rank: a time that was measured, and 50 or 95 of 100 recoveries "
        "took no longer. Of fewer than 20, p95 is the longest."
    ),
    (
        "A relapse is a failure soon after a successful recovery of the same type and subject; the "
        "rate is of all recoveries."
    ),
    (
        "Time to acknowledge is from the first time people were told to the acknowledgement, "
        "further tiers included."
    ),
    (
        "Retries are attempts that failed and were tried again. Of each recovery the twenty "
        "handlers with most are kept by name, the rest as (others)."
    ),
)


def _table(columns: Sequence[str], rows: Sequence[Row], *, first_number: int) -> Iterator[Block]:
    yield Table(columns, rows[:_ROWS], frozenset(range(first_number, len(columns))))
    if len(rows) > _ROWS:
        yield Paragraph((f"And {len(rows) - _ROWS} more: ", Code("--format json"), " has them."))


def _row(tally: Tally) -> tuple[str, ...]:
    completed, still_open = tally.verdicts["completed"], tally.verdicts[OPEN]
    otherwise = tally.count - completed - still_open
    counts = (tally.count, completed, otherwise, still_open, tally.relapses)
    return (*map(str, counts), *_spread(tally.took))


def _spread(lengths: Lengths) -> tuple[str, ...]:
    said: Callable[[timedelta | None], str] = lambda it: "" if it is None else spell(it)  # noqa: E731
    return tuple(said(lengths.percentile(p)) for p in (50, 95, 100))


def _month_spans(since: datetime, until: datetime) -> Iterator[tuple[str, datetime, datetime]]:
    """Name the months of a span, each with its beginning and its end."""
    first = since.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while first <= until:
        following = (first + timedelta(days=32)).replace(day=1)
        yield f"{first:%Y-%m}", first, following
        first = following


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def review_json(review: Review, sources: Sources) -> str:
    """Write a review for programs: stable keys, ISO instants, lengths in milliseconds."""
    found = {
        **review.to_dict(),
        "switches": dict(switches(sources.audit)),
        "sources": sources.to_dict(),
    }
    return orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n"
