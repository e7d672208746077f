"""From the raw record to the figures beside each other: medians, ratios, faces found, label flips."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from measure import machine

CLIPS = ("one", "many")
# What the project set out for: ferlite's CPU as a share of the peer's, and bounds of its own.
SHARES = {"intel": 1 / 2, "fer": 1 / 15, "EmotiEffLib": 1 / 12}
MOST_RSS_MB, MOST_START_S, MOST_INSTALL_MB = 120.0, 0.8, 331 / 3
MOST_OVERHEAD = 0.15  # of the pipeline over its engines, from the records of ferlite bench
MB_PER_MIB = 2**20 / 1e6
Face = Sequence[Any]


def figures(raw: dict[str, Any], turn: int) -> dict[str, Any]:
    """Each peer's figures from turns of ``turn`` frames; ``ratio`` is ferlite's CPU over the peer's."""
    found: dict[str, Any] = {}
    for name, one in raw["peers"].items():
        clips = {clip: clip_figures(one[clip], turn) for clip in CLIPS}
        found[name] = {
            "clips": clips,
            "rss_mib": one["rss_mib"],
            "rss_peak_mib": one["rss_peak_mib"],
            "cold_start_s": statistics.median(one["start"]["raw_s"]),
            "install_mb": one["installed_bytes"] / 1e6,
        }
    for one in found.values():
        one["ratio"] = {
            clip: found["ferlite"]["clips"][clip]["cpu_ms"] / one["clips"][clip]["cpu_ms"] for clip in CLIPS
        }
    return found


def clip_figures(clip: dict[str, Any], turn: int) -> dict[str, Any]:
    """A frame's times are means of a turn's frames, and the median over turns.

    A peer that does more for some frames than for others would hide that in a median over frames. ``flips``
    are per hundred pairs of one face in two frames, None without labels.
    """
    pairs, flips = 0, 0
    for before, after in zip(clip["faces"], clip["faces"][1:], strict=False):
        for face in after:
            twin = max(before, key=lambda other: overlap(face, other), default=None)
            if twin is not None and overlap(face, twin) > 0.3 and face[4] is not None:
                pairs += 1
                flips += face[4] != twin[4]
    return {
        "cpu_ms": statistics.median(turns(clip["cpu_ms"], turn)),
        "wall_ms": statistics.median(turns(clip["wall_ms"], turn)),
        "cpu_ms_spread": spread(turns(clip["cpu_ms"], turn)),
        "faces": statistics.fmean(len(faces) for faces in clip["faces"]),
        "flips": 100 * flips / pairs if pairs else None,
    }


def turns(times: Sequence[float], turn: int) -> list[float]:
    """The mean of each ``turn`` frames."""
    return [statistics.fmean(times[at : at + turn]) for at in range(0, len(times), turn)]


def spread(values: Sequence[float]) -> float:
    """The middle half's width over the median, of two values or more; else 0."""
    if len(values) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4)
    return (high - low) / middle


def overlap(a: Face, b: Face) -> float:
    """Intersection over union of two faces' boxes."""
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    high = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    common = float(wide * high)
    return common / (a[2] * a[3] + b[2] * b[3] - common)


HEAD = (
    "",
    "gives",
    "CPU-ms one",
    "CPU-ms many",
    "ferlite's share",
    "faces one / many",
    "flips one / many",
    "RSS MiB",
    "start s",
    "install MB",
)


def markdown(record: dict[str, Any]) -> str:
    """The record as a table for README and docs."""
    rows = [HEAD, ("---",) * len(HEAD)]
    for name, one in record["figures"].items():
        clips = [one["clips"][clip] for clip in CLIPS]
        flips = [("-" if each["flips"] is None else f"{each['flips']:.1f}") for each in clips]
        rows.append(
            (
                name,
                record["peers"][name]["gives"],
                *(f"{each['cpu_ms']:.1f}" for each in clips),
                " / ".join("1" if name == "ferlite" else f"{one['ratio'][clip]:.2f}" for clip in CLIPS),
                " / ".join(f"{each['faces']:.2f}" for each in clips),
                " / ".join(flips),
                f"{one['rss_mib']:.0f}",
                f"{one['cold_start_s']:.2f}",
                f"{one['install_mb']:.0f}",
            )
        )
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines += ["", *(f"{name}: {why}." for name, why in record["not_run"].items())]
    where = machine.read(record["machine"], "peers.json")
    lines.append("")
    lines.append(
        f"{record['date']}, {where.cpu}, {where.usable_cores or where.cores} cores, "
        f"{record['settings']['threads']} thread, "
        f"load {min(record['loads']):.1f} to {max(record['loads']):.1f}, "
        f"ferlite's bundle {record['settings']['bundle']}: `{record['command']}`"
    )
    if record.get("note"):
        lines += ["", record["note"]]
    return "\n".join(lines)


def targets(record: dict[str, Any], overheads: Sequence[float] = ()) -> str:
    """What was set out for beside what was measured, met or not.

    ``overheads`` are the pipeline's over its engines on both clips, where they were measured.
    """
    found, own = record["figures"], record["figures"]["ferlite"]
    rows = ["| target, for ferlite as it ships | at most | measured | |", "|---|---|---|---|"]
    for peer, most in SHARES.items():
        bound = f"1/{1 / most:.0f} = {most:.3f}"
        what = f"share of {peer}'s CPU-ms, one / many"
        if peer in found:
            shares = [found[peer]["ratio"][clip] for clip in CLIPS]
            rows.append(_target(what, bound, shares, most, 3))
        else:
            rows.append(f"| {what} | {bound} | not run | |")
    rows.append(_target("RSS, MB", f"{MOST_RSS_MB:.0f}", [own["rss_mib"] * MB_PER_MIB], MOST_RSS_MB, 0))
    rows.append(_target("cold start, s", f"{MOST_START_S:.1f}", [own["cold_start_s"]], MOST_START_S, 2))
    rows.append(_target("install, MB", f"{MOST_INSTALL_MB:.0f}", [own["install_mb"]], MOST_INSTALL_MB, 0))
    if overheads:
        rows.append(_target("overhead around the engines, one / many", "0.15", overheads, MOST_OVERHEAD, 2))
    return "\n".join(rows)


def _target(what: str, bound: str, values: Sequence[float], most: float, digits: int) -> str:
    told = " / ".join(f"{value:.{digits}f}" for value in values)
    verdicts = ["met" if value <= most else "missed" for value in values]
    verdict = verdicts[0] if len(set(verdicts)) == 1 else " / ".join(verdicts)
    return f"| {what} | {bound} | {told} | {verdict} |"
