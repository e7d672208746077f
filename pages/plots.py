"""The plots of all pages. Each function returns SVG, or "" where matplotlib is not installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pages.drawing import BLUE, COLOURS, GREY, INK, ORANGE, plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS = 700  # a plot as wide as a hand shows no more
STEPS = ("#9fc3e6", "#4f8fce", "#1d5fa8")  # strengths of a corruption, light to strong
RING: dict[str, Any] = {"markerfacecolor": "none", "markeredgewidth": 1.6}


@dataclass(frozen=True)
class Point:
    """One model: milliseconds a face, accuracy 0-1, a colour for each ``series``; float is drawn hollow."""

    series: str
    ms: float
    accuracy: float
    hollow: bool = False
    joined: bool = False


@plot(2.7)
def distribution(axes: Axes, series: Mapping[str, Sequence[float]]) -> None:
    """How many of all queries took at most so many ms, up to the slowest series' 99th percentile."""
    most = 0.0
    for (name, times), colour in zip(series.items(), _colours(), strict=False):
        ranked = sorted(times)
        most = max(most, ranked[min(len(ranked) - 1, int(0.99 * len(ranked)))])
        shares = [100 * (k + 1) / len(ranked) for k in range(len(ranked))]
        axes.step(thin(ranked), thin(shares), where="post", color=colour, label=name)
    axes.set(xlim=(0, 1.03 * most), ylim=(0, 101), xlabel="ms", ylabel="% of queries")
    _legend(axes)


@plot(2.7)
def in_order(
    axes: Axes, series: Mapping[str, Sequence[float]], unit: str = "ms", what: str = "query"
) -> None:
    """Each value where it came: a machine that grows hot climbs here. Rare high ones lie on the edge."""
    edges = [sorted(values)[int(0.99 * (len(values) - 1))] for values in series.values()]
    top = 1.15 * max(*edges, 1e-9)
    for (name, values), colour in zip(series.items(), _colours(), strict=False):
        numbers = thin(range(1, len(values) + 1))
        heights = [min(value, top) for value in thin(values)]
        axes.plot(numbers, heights, ".", markersize=2.5, color=colour, label=name, clip_on=False)
    axes.set(ylim=(0, top), xlabel=what, ylabel=unit)
    _legend(axes, markerscale=4)


@plot(1.9)
def stacked(axes: Axes, rows: Mapping[str, Mapping[str, float]], unit: str = "ms") -> None:
    """A bar for each row, a part of it for each name."""
    names = list(dict.fromkeys(name for parts in rows.values() for name in parts))
    left = dict.fromkeys(rows, 0.0)
    for name, colour in zip(names, (GREY, *COLOURS), strict=False):
        widths = [parts.get(name, 0.0) for parts in rows.values()]
        axes.barh(list(rows), widths, 0.6, list(left.values()), color=colour, label=name)
        left = {row: at + wide for (row, at), wide in zip(left.items(), widths, strict=True)}
    axes.set(xlabel=unit)
    axes.grid(False, axis="y")
    axes.invert_yaxis()
    _legend(axes)


@plot(3.2)
def accuracy_and_time(axes: Axes, points: Sequence[Point]) -> None:
    """Accuracy upwards, time to the right; a line goes through a series whose points are ``joined``."""
    names = list(dict.fromkeys(point.series for point in points))
    for name, colour in zip(names, _colours(), strict=False):
        for hollow in (True, False):
            own = [each for each in points if each.series == name and each.hollow == hollow]
            style: dict[str, Any] = dict(RING) if hollow else {}
            line = "--" if hollow else "-"
            axes.plot(
                [each.ms for each in own],
                [100 * each.accuracy for each in own],
                marker="o",
                markersize=6,
                linestyle=line if any(each.joined for each in own) else "none",
                linewidth=0.8,
                color=colour,
                label="" if hollow else name,
                **style,
            )
    axes.plot([], [], "o", color=INK, label="float", **RING)
    axes.plot([], [], "o", color=INK, label="int8")
    axes.set(xlabel="ms a face, batch 1, 1 thread", ylabel="accuracy, %")
    axes.set_xlim(left=0)
    _legend(axes)


@plot(3.4)
def per_label(
    axes: Axes,
    labels: Sequence[str],
    before: Mapping[str, Sequence[float]],
    after: Mapping[str, Sequence[float]],
    what: str,
) -> None:
    """A share 0-1 for each label: for each series a ring ``before`` (float) and a dot ``after`` (shipped)."""
    rows = range(len(labels))
    wide = 0.6 / max(1, len(after))
    for index, (name, values) in enumerate(after.items()):
        colour = COLOURS[index % len(COLOURS)]
        heights = [row + wide * (index - (len(after) - 1) / 2) for row in rows]
        axes.plot(before[name], heights, "o", color=colour, markersize=5, **RING)
        axes.plot(values, heights, "o", color=colour, markersize=4, label=name)
    axes.plot([], [], "o", color=INK, markersize=5, label="float", **RING)
    axes.plot([], [], "o", color=INK, markersize=4, label="what ships")
    axes.set_yticks(list(rows), list(labels))
    axes.set(xlabel=what, xlim=(0, 1))
    axes.invert_yaxis()
    _legend(axes)


@plot(2.6)
def layers(axes: Axes, costs: Sequence[float], worst: Sequence[int], unit: str) -> None:
    """A bar for each layer from input to output; those whose indices are ``worst`` in another colour."""
    colours = [ORANGE if index in worst else BLUE for index in range(len(costs))]
    axes.bar(range(1, len(costs) + 1), costs, 0.8, color=colours)
    axes.set(xlabel="layer, from input to output", ylabel=unit)
    axes.grid(False, axis="x")


@plot(4.2)
def confusion(axes: Axes, table: Sequence[Sequence[int]], labels: Sequence[str]) -> None:
    """A confusion matrix: a row per label, a column per answer, shaded by the share of the label's faces."""
    shares = [[count / max(1, sum(counts)) for count in counts] for counts in table]
    for row, counts in enumerate(shares):
        for column, share in enumerate(counts):
            square = ((column - 0.48, row - 0.48), 0.96, 0.96)
            axes.add_patch(_rectangle(*square, color=BLUE, alpha=max(0.03, share), linewidth=0))
            axes.text(column, row, f"{share:.0%}", ha="center", va="center", fontsize=8)
    places = range(len(labels))
    axes.set_xticks(list(places), list(labels), rotation=40, ha="right")
    axes.set_yticks(list(places), list(labels))
    axes.set(xlim=(-0.5, len(labels) - 0.5), ylim=(len(labels) - 0.5, -0.5), xlabel="answer", ylabel="label")
    axes.set_aspect("equal")
    axes.grid(False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


@plot(3.4)
def reliability(axes: Axes, bins: Sequence[tuple[int, float, float]], title: str) -> None:
    """How often answers of each confidence were right; bins are (answers, confidence, accuracy).

    The more answers a bar stands for, the darker it is.
    """
    most = max((count for count, _, _ in bins), default=1)
    wide = 100 / len(bins)
    for index, (count, _, right) in enumerate(bins):
        if count:
            shade = 0.25 + 0.75 * count / most
            axes.bar((index + 0.5) * wide, 100 * right, 0.9 * wide, color=BLUE, alpha=shade)
    axes.plot([0, 100], [0, 100], "--", color=ORANGE, linewidth=1.2)
    axes.set(title=title, xlabel="confidence, %", ylabel="right, %", xlim=(0, 100), ylim=(0, 100))
    axes.set_aspect("equal")


@plot(5.2)
def strengths(axes: Axes, rows: Mapping[str, Sequence[float]], clean: float) -> None:
    """Accuracy per corruption, a bar per strength, and a line where the accuracy on clean faces is."""
    names = list(rows)
    for step, word in enumerate(("light", "medium", "strong")):
        places = [index + 0.27 * (step - 1) for index in range(len(names))]
        values = [100 * rows[name][step] for name in names]
        axes.barh(places, values, 0.25, color=STEPS[step], label=word)
    axes.axvline(100 * clean, linestyle="--", color=ORANGE, label=f"clean faces, {clean:.1%}")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="accuracy, %", xlim=(0, 100))
    axes.grid(False, axis="y")
    axes.invert_yaxis()
    _legend(axes)


@plot(2.4)
def watts(axes: Axes, idle: Sequence[float], running: Sequence[float]) -> None:
    """A power sensor's values while nothing ran, and then while the work did."""
    axes.plot(range(1, len(idle) + 1), idle, color=GREY, label="idle")
    axes.plot(range(len(idle) + 1, len(idle) + len(running) + 1), running, color=ORANGE, label="running")
    axes.set(xlabel="value of the sensor", ylabel="W")
    axes.set_ylim(bottom=0)
    _legend(axes)


@plot(2.6)
def seeds(axes: Axes, rows: Mapping[str, Sequence[float]]) -> None:
    """A row for each name: a dot for each value in per cent, and a bar at their mean."""
    for row, values in enumerate(rows.values()):
        axes.plot(values, [row] * len(values), "o", color=BLUE, markersize=5, label="" if row else "a seed")
        mean = sum(values) / len(values)
        axes.plot([mean], [row], "|", color=ORANGE, markersize=16, label="" if row else "mean")
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set(xlabel="best accuracy on the public test, %", ylim=(max(1, len(rows)) - 0.5, -0.5))
    axes.grid(False, axis="y")
    _legend(axes)


def thin(values: Sequence[float]) -> Sequence[float]:
    """Every n-th value, so that no more than ``MOST_POINTS`` are left."""
    return values[:: -(-len(values) // MOST_POINTS)]


def _colours() -> Sequence[str]:
    return COLOURS * 4


def _rectangle(corner: tuple[float, float], wide: float, high: float, **style: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, wide, high, **style)


def _legend(axes: Axes, **style: Any) -> None:
    """Below the axes: never on what it explains."""
    handles, names = axes.get_legend_handles_labels()
    axes.figure.legend(handles, names, loc="outside lower center", ncols=min(4, len(names)), **style)
