"""Pages that stand alone: one file, no script, no font and no picture from elsewhere; light or dark as the
reader's screen is, and to be read on a phone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

from pages import drawing

STYLE = """
:root{color-scheme:light dark;--ink:#1d2126;--paper:#fff;--fine:#5b6570;--faint:#d8dde2;--bad:#a3200d}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ec;--paper:#15181c;--fine:#9aa5b1;--faint:#3a424b;
--bad:#ff8a75}}
*{box-sizing:border-box}
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:76rem;padding:1rem;color:var(--ink);
background:var(--paper)}
h1{font-size:1.6rem;margin:.5rem 0}h2{font-size:1.2rem;margin:2rem 0 .3rem}
h3{font-size:1rem;margin:1rem 0 .2rem}
p,ul{margin:.4rem 0}ul{padding-left:1.2rem}
.fine{color:var(--fine);font-weight:400;font-size:.85rem;overflow-wrap:anywhere}.bad{color:var(--bad);font-weight:600}
.scroll{overflow-x:auto;margin:.6rem 0}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
td,th{padding:.25rem .6rem;text-align:right;border-bottom:1px solid var(--faint);white-space:nowrap}
td.text,th.text{text-align:left}td.long{white-space:normal;min-width:12rem}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,23rem),1fr));gap:1rem 1.5rem}
figure{margin:.4rem 0;min-width:0;max-width:30rem}figcaption{font-weight:600;font-size:.9rem}
svg{display:block;width:100%;height:auto}svg text{font-family:system-ui,sans-serif!important}
"""


def page(title: str, blocks: Iterable[str]) -> str:
    """The whole page of HTML ``blocks``; it says so where its plots could not be drawn."""
    missing = "" if drawing.installed() else paragraph(drawing.MISSING)
    return "\n".join(
        [
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<style>{STYLE}</style></head><body>",
            f"<h1>{escape(title)}</h1>",
            *([missing] if missing else []),
            _distinct("\n".join(blocks)),
            "</body></html>\n",
        ]
    )


def _distinct(body: str) -> str:
    """The body, with ids of their own for plots that came out alike: an id stands once in a page."""
    seen: Counter[str] = Counter()

    def renamed(match: re.Match[str]) -> str:
        svg, repeat = match[0], seen[match[0]]
        seen[svg] += 1
        return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>again{repeat}-", svg) if repeat else svg

    return re.sub(r"<svg.*?</svg>", renamed, body, flags=re.DOTALL)


def heading(text: str, about: str = "") -> str:
    """A section's heading, and what is to be said of it."""
    return f"<h2>{escape(text)}</h2>{paragraph(about, fine=True) if about else ''}"


def paragraph(text: str, fine: bool = False) -> str:
    """Text, its line breaks kept; ``fine``: small and pale."""
    lines = "<br>".join(escape(line) for line in text.splitlines())
    return f"<p{' class=fine' if fine else ''}>{lines}</p>"


def bullets(lines: Sequence[str], bad: Sequence[str] = ()) -> str:
    """A list, the ``bad`` news first; "" where there is nothing."""
    items = [f"<li class=bad>{escape(line)}</li>" for line in bad]
    items += [f"<li>{escape(line)}</li>" for line in lines]
    return f"<ul>{''.join(items)}</ul>" if items else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]], words: Sequence[int] = (0,)) -> str:
    """A table that scrolls by itself where it is wider than the screen; columns ``words`` hold text."""

    def cell(kind: str, column: int, text: str) -> str:
        style = " class=text" if column in words else ""
        style = ' class="text long"' if column in words and len(text) > 40 else style
        return f"<{kind}{style}>{escape(text)}</{kind}>"

    first = "".join(cell("th", column, text) for column, text in enumerate(head))
    body = "".join(
        f"<tr>{''.join(cell('td', column, text) for column, text in enumerate(row))}</tr>" for row in rows
    )
    return f"<div class=scroll><table><thead><tr>{first}</tr></thead><tbody>{body}</tbody></table></div>"


def plots(*named: tuple[str, str]) -> str:
    """Plots (caption, SVG) side by side where there is room; those that could not be drawn are left out.

    What follows a caption's first line is small.
    """
    figures = "".join(f"<figure>{_caption(caption)}{svg}</figure>" for caption, svg in named if svg)
    return f"<div class=plots>{figures}</div>" if figures else ""


def _caption(text: str) -> str:
    first, _, rest = text.partition("\n")
    small = f"<div class=fine>{escape(rest)}</div>" if rest else ""
    return f"<figcaption>{escape(first)}{small}</figcaption>"
