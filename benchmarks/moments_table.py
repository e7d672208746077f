"""The tables of ``benchmarks.moments``'s record, for docs/moments.md."""

from __future__ import annotations

from typing import Any


def by_rate(record: dict[str, Any]) -> str:
    """One row a frame rate: what was spotted, how far off, how many false ones, what it cost."""
    head = ["frames a second", "F1", "right", "false", "missed", "apex off", "onset", "offset"]
    head += ["false a minute", "F1 with doubted", "ms a frame and face"]
    rows = _head(head)
    for rate in sorted(record["rates"], key=int, reverse=True):
        each = record["rates"][rate]
        off = [f"{each['off_ms'].get(name, float('nan')):.0f} ms" for name in ("apex", "onset", "offset")]
        cells = [rate, f"{each['f1']:.2f}", each["right"], each["false"], each["missed"], *off]
        cells += [f"{each['false_a_minute']:.1f}", f"{each['with_doubted']['f1']:.2f}"]
        rows.append(_row([*cells, f"{each['cpu_ms_a_frame']:.2f}"]))
    many = record["happenings"]
    said = (
        f"{record['people']} people, {record['seconds']:g} s each: {many['micro']} short movements, "
        f"{many['macro']} long ones, {many['blink']} blinks, {many['talk']} openings of a talking mouth. "
        f"{record['date']}, {record['machine']['cpu']}, {record['machine']['load']:.0f} others at work: "
        f"`{record['command']}`"
    )
    return "\n".join([*rows, "", said])


def by_kind(record: dict[str, Any]) -> str:
    """The share of the true movements that was found, by how far and how long they were."""
    rates = sorted(record["rates"], key=int, reverse=True)
    rows = _head(["", "movements", *[f"{rate} frames a second" for rate in rates]])
    kinds = (
        ("recall_by_reach", "farthest point {} of the distance between the eyes"),
        ("recall_by_length_s", "{} s long"),
    )
    for kind, words in kinds:
        for name, entry in record["rates"][rates[0]][kind].items():
            shares = [f"{record['rates'][rate][kind][name]['recall']:.0%}" for rate in rates]
            shown = "-".join(f"{100 * float(part):g}" for part in name.split("-")) + " %"
            label = words.format(shown if kind == "recall_by_reach" else name)
            rows.append(_row([label, entry["of"], *shares]))
    return "\n".join(rows)


def real(record: dict[str, Any]) -> str:
    """False alarms on real films, and what the extra costs a whole run."""
    rows = _head(
        ["film", "frames a second", "seconds", "as run", "told at its rate", "played at 100 a second"]
    )
    for each in record["real"]["films"]:
        as_run = each["own"]["undoubted"] if each["told"] else "none can be"
        cells = [each["film"], f"{each['rate']:.1f}", f"{each['seconds']:.1f}", as_run]
        rows.append(_row([*cells, each["own"]["undoubted"], each["played"]["undoubted"]]))
    whole = record["real"]
    said = (
        f"Told at their own rate {whole['own_a_minute']:.1f} a minute over {whole['minutes']:.1f} minutes; "
        f"played at 100 a second {whole['played_a_minute']:.1f} a minute "
        f"over {whole['played_minutes']:.2f} minutes."
    )
    return "\n".join([*rows, "", said])


def cost(record: dict[str, Any]) -> str:
    """Processor time of a whole run's frame without and with the extra."""
    each = record["run_cpu_ms"]
    wide, high = each["frame"]
    return (
        f"A frame of {wide} x {high} with one face, searched, followed, read and shown as a whole run does: "
        f"{each['off']:.2f} ms of processor time without `--moments`, {each['on']:.2f} ms with it."
    )


def _head(names: list[str]) -> list[str]:
    return [_row(names), "|" + "---|" * len(names)]


def _row(cells: list[Any]) -> str:
    return f"| {' | '.join(map(str, cells))} |"
