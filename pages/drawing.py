"""Plots by matplotlib as inline SVG that lives in a page: its ink is the page's, light or dark.

matplotlib is the toolchain's extra ``pages``. Without it a plot is no text at all, and ``MISSING`` says what
to install.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import re
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes

P = ParamSpec("P")
MISSING = "This page has no plots: they need matplotlib: pip install 'ferlite[pages]'"
# Bright enough for a dark page and dark enough for a light one.
BLUE, ORANGE, GREEN, PURPLE, GOLD, TEAL, RED, GREY = COLOURS = (
    "#3f83c9",
    "#d9702e",
    "#359c64",
    "#9a68c4",
    "#b98a1c",
    "#2a9aa3",
    "#c9504f",
    "#84909c",
)
# Drawn in these two, which nothing else is drawn in, and then told to follow the page.
INK, FAINT = "#010203", "#040506"
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ferlite",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.labelsize": 9.0,
    "axes.titlesize": 9.0,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "lines.linewidth": 1.6,
}
WIDE = 4.6  # inches: a phone shows such a plot at nine tenths of its size, and its letters can be read


def installed() -> bool:
    """Whether plots can be drawn here."""
    try:
        return importlib.util.find_spec("matplotlib") is not None
    except ModuleNotFoundError:
        return False


def plot(
    high: float, wide: float = WIDE
) -> Callable[[Callable[Concatenate[Axes, P], None]], Callable[P, str]]:
    """Make a function that draws on axes one that returns them as SVG, ``wide`` x ``high`` inches.

    Without matplotlib it returns "".
    """

    def made(draw: Callable[Concatenate[Axes, P], None]) -> Callable[P, str]:
        @functools.wraps(draw)
        def drawn(*words: P.args, **settings: P.kwargs) -> str:
            if not installed():
                return ""
            import matplotlib as mpl
            from matplotlib.figure import Figure

            with mpl.rc_context(STYLE):
                figure = Figure(figsize=(wide, high), layout="constrained")
                draw(figure.add_subplot(), *words, **settings)
                file = io.StringIO()
                figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
            return inline(file.getvalue(), draw.__name__)

        return drawn

    return made


def inline(svg: str, name: str) -> str:
    """The ``svg`` element alone, as wide as there is room, in the page's own colours.

    Its ids are made its own by ``name`` and its content: two plots stand in one page.
    """
    svg = svg[svg.index("<svg") :].rstrip()
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    svg = re.sub(r"font-family: [^;\"]*; ?", "", svg)
    svg = svg.replace(INK, "currentColor").replace(FAINT, "var(--faint)")
    own = f"{name}-{zlib.crc32(svg.encode()):x}-"
    svg = re.sub(r'\bid="', f'id="{own}', svg)
    svg = re.sub(r'xlink:href="#', f'href="#{own}', svg)
    return re.sub(r"url\(#", f"url(#{own}", svg)
