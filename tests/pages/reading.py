"""What tests read out of a page and its plots."""

from __future__ import annotations

import re
from xml.etree import ElementTree


def plots_in(page: str) -> list[ElementTree.Element]:
    """The page's plots, each well-formed by itself."""
    return [ElementTree.fromstring(each) for each in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]


def stands_alone(page: str) -> bool:
    """Whether the page takes nothing from elsewhere: it runs no script and points only into itself."""
    points = re.findall(r"""(?:\bsrc|href)\s*=\s*["']?([^"'\s>]+)|url\(([^)]*)\)""", page)
    inside = all(place.startswith("#") for pair in points for place in pair if place)
    ids = re.findall(r'\bid="([^"]+)"', page)
    known = all(place[1:] in ids for pair in points for place in pair if place)
    return inside and known and len(ids) == len(set(ids)) and not re.search(r"<script|@import", page)


def bars_of(plot: ElementTree.Element) -> list[tuple[float, float]]:
    """Left and right edges of a plot's horizontal bars, in the order that they were drawn."""
    bars = []
    for path in plot.iter("{http://www.w3.org/2000/svg}path"):
        numbers = [float(word) for word in re.findall(r"-?[\d.]+", path.get("d", ""))]
        xs, closed = numbers[0::2], path.get("d", "").strip().endswith("z")
        if closed and len(xs) == 4 and path.get("clip-path"):
            bars.append((min(xs), max(xs)))
    return bars
