"""Tables of the landmark network, from records: what it finds, and what the regions made from it cost."""

from __future__ import annotations

from typing import Any

YAWS = ("0-15", "15-30", "30-45", "45-60")


def found(record: dict[str, Any]) -> str:
    """Errors and AUCs of the network and of what ships in each engine: ``ferlite quantize landmarks``."""
    kinds = ("nothing", "hand", "scarf")
    head = (
        "",
        "MB",
        "error",
        *(f"{yaw} degrees" for yaw in YAWS),
        *(f"AUC, {kind}" for kind in kinds),
        "gate",
    )
    rows = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, each in (("the network", record), *record["engines"].items()):
        verdict = "-" if each is record else "passed" if each["passed"] else "float ships"
        size = "-" if each is record else f"{each['bytes'] / 1e6:.2f}"
        cells = [name, size, f"{each['error']:.1%}", *(f"{each['by_yaw'][yaw]:.1%}" for yaw in YAWS)]
        cells += [*(f"{each['auc'][kind]:.3f}" for kind in kinds), verdict]
        rows.append(f"| {' | '.join(cells)} |")
    wanted = record["wanted"]
    verdict = "met" if record["met"] else "missed"
    return "\n".join(
        [
            *rows,
            "",
            f"{record['faces']} photographs of people never seen, each clean, under a hand and under a scarf."
            f" Wanted: {wanted['error']:.0%}, and an AUC of {wanted['auc_worn']:.2f} under the two together, "
            f"where it is {record['auc_worn']:.3f}: {verdict}. {record['date']}, `{record['command']}`",
        ]
    )


def cost(record: dict[str, Any]) -> str:
    """What regions cost a frame: a record of ``benchmarks.regions_cost``."""
    counts, times = record["instructions_a_frame"], record["cpu_ms_a_frame"]
    stages = list(next(iter(counts.values()), ()))
    head = ("", "CPU-ms a frame", *(f"{stage}, million instructions" for stage in stages))
    rows = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for how in times:
        cells = [how, f"{times[how]:.2f}", *(f"{counts[how][stage] / 1e6:.2f}" for stage in stages)]
        rows.append(f"| {' | '.join(cells)} |")
    faces = ", ".join(
        f"{each['median_ms']:.2f} ms in {each['version']}" for each in record["landmarks"].values()
    )
    return "\n".join(
        [
            *rows,
            "",
            f"{record['faces_a_frame']} faces a frame, all of them read in each, {record['bundle']}, one "
            f"thread of {record['machine']['cpu']}. The landmarks of one face: {faces}. {record['date']}, "
            f"`{record['command']}`",
        ]
    )
