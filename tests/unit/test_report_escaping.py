"""Reports are made of text that anybody may have written: it stays text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.report.document import (
    Block,
    Bullets,
    Code,
    Document,
    Figure,
    Paragraph,
    Row,
    Section,
    Table,
)
from antiphon.report.markdown import code, escaped, fenced, markdown
from antiphon.report.page import page
from flow_story import a_flow, a_rollback
from guarded_story import a_guarded_recovery
from reporting import StrictReader, as_html, as_markdown
from trace_story import Story, a_whole_recovery

EVIL = (
    '<script>alert("1")</script> | `x` **b** [l](javascript:x) ![i](http://t/p.png) @all #1 &amp;'
)


def evil_story(text: str = EVIL) -> Story:
    """A recovery whose every word that can come from outside is hostile."""
    story = Story()
    failed = story.opens("service.failed", text)
    run = story.after(1).starts("orders-db.restore", failed, "db-host")
    story.after(1).retries(run, f"Error: {text}", due_in=1)
    run = story.after(1).starts("orders-db.restore", failed, "db-host", attempt=2)
    story.progresses(run, 0.5, text)
    (restored,) = story.after(1).completes(run, ("database.restored", text))
    page_run = story.after(1).starts("pager.page", restored, "pager")
    story.after(1).dies(page_run, f"Error: {text}\n# not a heading\n\n- nor a list\n</pre>")
    story.closes(page_run, "partial", done=1, dead=1)
    return story


@pytest.mark.parametrize(
    "story", [a_whole_recovery, a_guarded_recovery, a_flow, a_rollback, evil_story]
)
def test_a_page_is_strictly_balanced_and_alone(story: object) -> None:
    """Every element is closed, no script runs, and nothing is fetched from anywhere."""
    told = story()  # type: ignore[operator]
    html = as_html(told)
    reader = StrictReader.read(html)
    assert "script" not in reader.tags
    assert not reader.tags & {"link", "img", "iframe", "object", "form", "base"}
    assert not reader.handlers
    assert all(link.startswith("#") for link in reader.links)
    assert len(reader.ids) == len(set(reader.ids)), "an id is there twice"
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    assert told.correlation_id in reader.text


def test_ids_are_unique_when_there_are_several_drawings() -> None:
    """Drawings of several recoveries stand on one page."""
    ids = StrictReader.read(as_html(a_whole_recovery(), a_rollback(), a_flow())).ids
    assert len(ids) == len(set(ids))


def test_a_hostile_subject_is_shown_as_it_is() -> None:
    """A person reads what was written; a browser finds no element in it."""
    html = as_html(evil_story())
    assert "<script>" not in html
    assert EVIL in StrictReader.read(html).text


def test_markdown_has_no_markup_from_outside() -> None:
    """No element, link, picture, heading, mention, nor a cell more than the table has columns."""
    report = as_markdown(evil_story())
    outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", report, flags=re.DOTALL | re.MULTILINE)
    outside = re.sub(r"(?<!\\)(`+)(?!`).*?(?<!`)\1(?!`)", "", outside)
    assert not re.search(r"(?<!\\)<", outside)
    assert not re.search(r"(?<!\\)\[", outside)
    assert not re.search(r"[@#](?=\w)", outside)
    headings = re.findall(r"^#+ .*$", outside, re.MULTILINE)
    assert all("not a heading" not in heading for heading in headings)
    for table in re.findall(r"(?:^\|.*\n)+", report, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table


@given(st.text())
def test_escaped_text_is_one_line_without_markup(text: str) -> None:
    """Whatever is written: no line break, and no character that begins markup without a guard."""
    found = escaped(text)
    assert len(found.splitlines()) <= 1
    # A backslash guards what follows it; take the pairs away, and no markup is left.
    assert not re.search(r"[\\`*_\[\]<|~&$]", re.sub(r"\\.", "", found))
    assert not re.match(r"[-+=#](\s|$)|>|\d+[.)](\s|$)", found)


@given(st.text(alphabet="`a| \\\n"))
def test_code_is_closed_by_its_own_fence(text: str) -> None:
    """The run of backticks around it is longer than any within; bars do not part a table."""
    found = code(text, in_table=True)
    if not found:
        return
    fence = re.match("`+", found)
    assert fence is not None
    inner = found[len(fence[0]) : -len(fence[0])]
    assert all(len(run) < len(fence[0]) for run in re.findall("`+", inner))
    assert not re.search(r"(?<!\\)\|", found)


@given(st.text())
def test_a_block_of_code_ends_where_it_should(text: str) -> None:
    """No line within closes it."""
    first, *lines, last = fenced(text).split("\n")
    fence = first.removesuffix("text")
    assert last == fence
    assert all(not line.startswith(fence) for line in lines)


def test_a_page_holds_no_control_characters() -> None:
    """A terminal would obey them, and a reader would see the line turned round."""
    text = as_html(evil_story("\x1b[31mred\x07 \u202edliw\u00a0x"))
    assert "red" in text
    assert [c for c in text if not (c.isprintable() or c == "\n")] == []


@given(st.text(max_size=40))
def test_any_text_keeps_a_page_balanced(text: str) -> None:
    """Wherever text can stand, it cannot break out."""
    blocks: list[Block] = [
        Paragraph((text, Code(text))),
        Bullets([text]),
        Table((text,), [Row((Code(text),)), Row((text, text), by_hand=True)]),
        Figure(text, "", text),
    ]
    document = Document(text, [Section(text, blocks)] * 5, text)
    StrictReader.read(page(document))
    assert markdown(document)


def test_numbers_stay_readable() -> None:
    """What cannot be taken for markup is left alone."""
    assert escaped("2.5 s, orders-db.restore: 3 of 3") == "2.5 s, orders-db.restore: 3 of 3"
    assert escaped("1. not a list") == "1\\. not a list"
    assert escaped("-1 is a number, - is not") == "-1 is a number, - is not"
    assert escaped("- not a list") == "\\- not a list"
