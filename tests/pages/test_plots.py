"""Plots show what they are given, name their axes, and keep their legends off the data."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pages import drawing, html, plots
from pages.plots import Point
from tests.pages.reading import bars_of, stands_alone

pytest.importorskip("matplotlib", reason="plots need the extra 'pages'")
ROOT = Path(__file__).parent.parent.parent
SVG = "{http://www.w3.org/2000/svg}"
LABELS = ("anger", "joy", "<neutral>")
COSTS = [0.1, 0.5, 0.2, 0.0]

DRAWN: dict[str, tuple[Callable[[], str], tuple[str, ...]]] = {
    "distribution": (
        lambda: plots.distribution({"onnx": [1.0, 2.0, 3.0], "tflite": [2.0, 4.0]}),
        ("ms", "% of queries", "onnx", "tflite"),
    ),
    "in_order": (lambda: plots.in_order({"onnx": [1.0, 2.0, 90.0]}), ("ms", "query", "onnx")),
    "stacked": (
        lambda: plots.stacked({"onnx": {"decode": 1.0, "detect": 2.0}}),
        ("ms", "onnx", "decode", "detect"),
    ),
    "accuracy_and_time": (
        lambda: plots.accuracy_and_time([Point("onnx", 2.0, 0.7, hollow=True), Point("onnx", 1.0, 0.69)]),
        ("accuracy, %", "ms a face, batch 1, 1 thread", "float", "int8", "onnx"),
    ),
    "per_label": (
        lambda: plots.per_label(LABELS, {"onnx": [0.1, 0.9, 0.5]}, {"onnx": [0.2, 0.8, 0.5]}, "F1"),
        ("F1", *LABELS, "onnx", "what ships"),
    ),
    "layers": (lambda: plots.layers(COSTS, [1], "nats"), ("layer, from input to output", "nats")),
    "confusion": (
        lambda: plots.confusion([[3, 1, 0], [0, 2, 0], [0, 0, 0]], LABELS),
        ("answer", "label", "75%", "25%", "100%", *LABELS),
    ),
    "reliability": (
        lambda: plots.reliability([(10, 0.25, 0.5), (0, 0.0, 0.0), (30, 0.9, 1.0)], "ECE 3%"),
        ("confidence, %", "right, %", "ECE 3%"),
    ),
    "strengths": (
        lambda: plots.strengths({"blur": [0.6, 0.5, 0.3], "dark": [0.6, 0.4, 0.2]}, 0.65),
        ("accuracy, %", "blur", "light", "strong", "clean faces, 65.0%"),
    ),
    "watts": (lambda: plots.watts([1.0, 1.1], [2.0, 2.2]), ("W", "idle", "running")),
}


def words(svg: str) -> list[str]:
    """What is written in a plot."""
    return ["".join(text.itertext()).strip() for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def bare(name: str) -> Callable[[], str]:
    return DRAWN[name][0]


@pytest.mark.parametrize("name", DRAWN)
def test_a_plot_names_its_axes_and_series(name: str) -> None:
    draw, expected = DRAWN[name]
    assert set(expected) <= set(words(draw()))


@pytest.mark.parametrize("name", [each for each in DRAWN if each != "confusion"])
def test_the_axes_have_ticks(name: str) -> None:
    numbers = [word for word in words(bare(name)()) if re.fullmatch(r"[\d.]+", word)]
    assert len(numbers) >= 3


@pytest.mark.parametrize("name", DRAWN)
def test_a_plot_is_the_same_each_time_and_follows_the_pages_colours(name: str) -> None:
    svg = bare(name)()
    assert svg == bare(name)()
    assert drawing.INK not in svg and drawing.FAINT not in svg and "currentColor" in svg
    assert "#ffffff" not in svg and "#000000" not in svg


def test_two_plots_in_one_page_have_no_id_in_common() -> None:
    page = html.page("all", [html.plots(*((name, bare(name)()) for name in DRAWN))])
    assert page.count("<svg") == len(DRAWN) and stands_alone(page)


def test_stacked_bars_are_as_long_as_their_values() -> None:
    svg = plots.stacked({"a": {"x": 1.0, "y": 3.0}, "b": {"x": 2.0, "y": 2.0}})
    bars = bars_of(ElementTree.fromstring(svg))
    wide = [right - left for left, right in bars]
    assert wide == pytest.approx([wide[0], 2 * wide[0], 3 * wide[0], 2 * wide[0]], rel=1e-3)
    assert bars[2][0] == pytest.approx(bars[0][1])  # y begins where x ends


def test_a_cell_is_as_dark_as_the_share_it_stands_for() -> None:
    svg = bare("confusion")()
    shades = [float(each or 1) for each in re.findall(r"fill: #3f83c9(?:; opacity: ([\d.]+))?", svg)]
    assert shades == pytest.approx([0.75, 0.25, 0.03, 0.03, 1.0, 0.03, 0.03, 0.03, 0.03])


def test_the_legend_lies_below_the_axes() -> None:
    svg = ElementTree.fromstring(bare("distribution")())
    groups = {each.get("id", "").rpartition("-")[2]: each for each in svg.iter(f"{SVG}g")}
    frame = next(each for each in groups["patch_2"].iter(f"{SVG}path"))
    bottom = max(float(word) for word in re.findall(r"[\d.]+", frame.get("d", ""))[1::2])
    labels = groups["legend_1"].iter(f"{SVG}text")
    heights = [
        float(re.findall(r"[\d.]+", each.get("transform") or f"{each.get('y')}")[-1]) for each in labels
    ]
    assert heights and min(heights) > bottom


def test_long_series_are_thinned() -> None:
    assert len(plots.thin(range(10_000))) <= plots.MOST_POINTS and plots.thin([1, 2]) == [1, 2]


def test_without_matplotlib_a_page_comes_without_plots_and_says_what_to_install() -> None:
    code = (
        "import sys, importlib.util\n"
        "class Gone:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'matplotlib': raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Gone())\n"
        "from pages import html, plots\n"
        "print(html.page('t', [html.plots(('a', plots.watts([1.0], [2.0]))), html.paragraph('the rest')]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert drawing.MISSING.replace("'", "&#x27;") in done.stdout
    assert "the rest" in done.stdout and "<svg" not in done.stdout and "<figure" not in done.stdout
