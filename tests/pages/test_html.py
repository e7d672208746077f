"""Pages escape what they are given and can be read on a phone."""

from __future__ import annotations

from pages import html
from tests.pages.reading import stands_alone

EVIL = "<script>alert(1)</script>"


def test_everything_is_escaped() -> None:
    blocks = [
        html.heading(EVIL, EVIL),
        html.paragraph(EVIL),
        html.bullets([EVIL], bad=[EVIL]),
        html.table([EVIL], [[EVIL]]),
        html.plots((EVIL, "<svg></svg>")),
    ]
    page = html.page(EVIL, blocks)
    assert "<script" not in page and page.count("&lt;script") == 10 and stands_alone(page)


def test_a_page_knows_dark_screens_and_small_ones() -> None:
    page = html.page("t", [])
    assert "prefers-color-scheme:dark" in page and 'name="viewport"' in page


def test_a_table_scrolls_by_itself_and_aligns_words_and_numbers_apart() -> None:
    table = html.table(("name", "ms"), [("a", "1.0")])
    assert table.startswith("<div class=scroll>")
    assert "<td class=text>a</td><td>1.0</td>" in table


def test_nothing_to_say_is_no_list_and_nothing_drawn_no_figure() -> None:
    assert html.bullets([]) == "" and html.plots(("a", "")) == ""
