"""Whether memory grows, from samples of a process that goes on: its steps, and the slope between them.

A step (a library's first use of a path, a pool that got one more block) is memory taken once; a leak is a
slope. A straight line through samples with one step in them shows a slope that is not there, so both are
fitted together: a line, and a jump at each moment where the median over a window rises by ``LEAST_STEP``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

DAY = 86400.0
WARM_UP = 0.2  # of the time: not fitted
WINDOW = 8  # samples on each side of a step
LEAST_STEP = 0.08  # MiB, as all of these: twenty pages at once


@dataclass(frozen=True)
class Slope:
    """MiB a day, with the standard error of the fit; records call it MB."""

    mb_a_day: float
    standard_error: float


def slope(moments: Sequence[float], megabytes: Sequence[float], steps: Sequence[float] = ()) -> Slope:
    """The least-squares line through the samples, which may jump at ``steps``; all moments in seconds."""
    days, values = np.array(moments) / DAY, np.array(megabytes)
    columns = [np.ones_like(days), days - days.mean()]
    columns += [(np.array(moments) >= step).astype(float) for step in steps]
    terms = np.stack(columns, axis=1)
    weights, *_ = np.linalg.lstsq(terms, values, rcond=None)
    rest = values - terms @ weights
    variance = float((rest**2).sum()) / max(1, len(days) - len(columns))
    error = math.sqrt(variance * float(np.linalg.pinv(terms.T @ terms)[1, 1]))
    return Slope(round(float(weights[1]), 2), round(error, 2))


def steps(moments: Sequence[float], megabytes: Sequence[float]) -> list[dict[str, float]]:
    """The moments (s) from which the memory stands higher or lower by ``mb``, first to last."""
    values = np.array(megabytes)
    jumps = np.array(
        [
            np.median(values[at : at + WINDOW]) - np.median(values[at - WINDOW : at])
            for at in range(WINDOW, len(values) - WINDOW + 1)
        ]
    )
    found = []
    while len(jumps) and abs(jumps).max() >= LEAST_STEP:
        # Of a plateau of equal jumps the middle is where it happened.
        best = np.flatnonzero(abs(jumps) >= abs(jumps).max() - 1e-9)
        at = int(best[len(best) // 2])
        found.append({"s": round(float(moments[at + WINDOW]), 1), "mb": round(float(jumps[at]), 2)})
        jumps[max(0, at - WINDOW) : at + WINDOW + 1] = 0.0
    return sorted(found, key=lambda step: step["s"])


def figures(samples: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Of all samples but those of the warm-up, and the samples themselves.

    ``slope`` is the line through all of them, ``slope_between_steps`` the line that may jump at ``steps``.
    """
    first, last = samples[0], samples[-1]
    began = first["s"] + WARM_UP * (last["s"] - first["s"])
    kept = [each for each in samples if each["s"] >= began]
    moments, megabytes = [each["s"] for each in kept], [each["rss_mb"] for each in kept]
    jumps = steps(moments, megabytes)
    took, used = moments[-1] - moments[0], kept[-1]["cpu_s"] - kept[0]["cpu_s"]
    middle = samples[len(samples) // 2]
    return {
        "rss_mb": {
            "start": first["rss_mb"], "middle": middle["rss_mb"], **spans(kept, "rss_mb"),
        },
        "threads": spans(kept, "threads"),
        "descriptors": spans(kept, "descriptors"),
        "slope": asdict(slope(moments, megabytes)),
        "steps": jumps,
        "slope_between_steps": asdict(slope(moments, megabytes, [step["s"] for step in jumps])),
        **per_million(kept, jumps),
        "cpu_s_a_second": round(used / max(1e-9, took), 3),
        "samples": list(samples),
    }  # fmt: skip


def per_million(
    samples: Sequence[Mapping[str, float]], jumps: Sequence[Mapping[str, float]]
) -> dict[str, Any]:
    """MiB a million frames beside the steps, where the samples say how many frames there were."""
    if any("frames" not in each for each in samples):
        return {}
    # One day of the line's is a million frames.
    moments = [each["frames"] * DAY / 1e6 for each in samples]
    at = [next(moment for moment, each in zip(moments, samples, strict=True) if each["s"] >= step["s"])
          for step in jumps]  # fmt: skip
    fitted = slope(moments, [each["rss_mb"] for each in samples], at)
    return {
        "frames_sampled": [samples[0]["frames"], samples[-1]["frames"]],
        "mb_a_million_frames": fitted.mb_a_day,
        "mb_a_million_frames_standard_error": fitted.standard_error,
    }


def spans(samples: Sequence[Mapping[str, float]], name: str) -> dict[str, float]:
    """What it was first, last and at most."""
    values = [each[name] for each in samples]
    return {"first": values[0], "last": values[-1], "most": max(values)}


def markdown(camera: Mapping[str, Any], memory: Mapping[str, Any]) -> str:
    """Both records of benchmarks.soak as a table for the page."""
    columns = [told(record) for record in (camera, memory)]
    lines = ["| | a camera | frames from memory |", "|---|---|---|"]
    lines += [f"| {what} | {' | '.join(column[what] for column in columns)} |" for what in columns[0]]
    said = [
        f"`{record['command']}`" + (f" ({record['note']})" if record["note"] else "")
        for record in (camera, memory)
    ]
    return "\n".join([*lines, "", f"{camera['date']}: {'; '.join(said)}"])


def told(record: Mapping[str, Any]) -> dict[str, str]:
    """What a record says, by what it is of."""
    memory, cuts = record["rss_mb"], record.get("connections_cut")
    loads = [each["load"] for each in record["samples"]]
    per_million = [
        record[key] for key in ("mb_a_million_frames", "mb_a_million_frames_standard_error") if key in record
    ]
    return {
        "frames read": f"{frames_of(record):,}",
        "connection cut": "-" if cuts is None else f"{cuts} times",
        "RSS at first, in the middle, at last": "{start:.1f}, {middle:.1f}, {last:.1f} MiB".format(**memory),
        "steps": ", ".join(f"{step['mb']:g} MiB" for step in record["steps"]) or "none",
        "slope beside the steps, MiB a day": with_error(record["slope_between_steps"].values()),
        "MiB a million frames": with_error(per_million),
        "threads at first, at last": "{first}, {last}".format(**record["threads"]),
        "descriptors at first, at last": "{first}, {last}".format(**record["descriptors"]),
        "share of a core": f"{record['cpu_s_a_second']:.0%}",
        "load of the machine": f"{min(loads)} to {max(loads)}",
    }


def frames_of(record: Mapping[str, Any]) -> int:
    """How many frames were read: lines of JSON where they were counted, else what the run itself counted."""
    return int(record["lines"] or record["samples"][-1]["frames"])


def with_error(values: Iterable[float]) -> str:
    """A figure with its standard error."""
    return " ± ".join(f"{value:.2f}" for value in values) or "-"
