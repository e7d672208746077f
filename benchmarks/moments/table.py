"""The tables of ``benchmarks.moments``'s record, for docs/moments.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.moments.tally import NAMINGS
from edge.bundle_files.sections import OTHER, TONES, TONES_AND_OTHER


def by_rate(record: dict[str, Any]) -> str:
    """One row a frame rate and spotter: what was spotted, how far off, how many false ones, what it cost."""
    head = ["frames a second", "spotter", "F1", "right", "false", "missed", "apex off", "onset", "offset"]
    head += ["false a minute", "F1 with doubted", "ms a frame and face"]
    rows = _head(head)
    spotters = record["spotters"]
    for rate in _rates(record):
        for name, rates in spotters.items():
            each = rates[rate]
            off = [f"{each['off_ms'].get(kind, float('nan')):.0f} ms" for kind in ("apex", "onset", "offset")]
            cells = [rate, name, f"{each['f1']:.2f}", each["right"], each["false"], each["missed"], *off]
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
    """The share of the true movements that was found, by how far and how long they were; rule / network."""
    rates, spotters = _rates(record), record["spotters"]
    rows = _head(["rule / network", "movements", *[f"{rate} frames a second" for rate in rates]])
    kinds = (
        ("recall_by_reach", "farthest point {} of the distance between the eyes"),
        ("recall_by_length_s", "{} s long"),
    )
    for kind, words in kinds:
        for name, entry in spotters["rule"][rates[0]][kind].items():
            shares = [
                " / ".join(f"{each[rate][kind][name]['recall']:.0%}" for each in spotters.values())
                for rate in rates
            ]
            shown = "-".join(f"{100 * float(part):g}" for part in name.split("-")) + " %"
            label = words.format(shown if kind == "recall_by_reach" else name)
            rows.append(_row([label, entry["of"], *shares]))
    return "\n".join(rows)


def engines(record: dict[str, Any]) -> str:
    """The network in float and in each engine, on the same motions at 100 frames a second."""
    rows = _head(["at 100 frames a second", "F1", "right", "false", "missed", "false a minute", "apex off"])
    for name, each in record["engines"].items():
        words = {"rule": "the rule", "float": "the network in float"}
        label = words.get(name, f"{name}, {each.get('precision_of_weights', '')}")
        off = "" if each["apex_off_ms"] is None else f"{each['apex_off_ms']:.0f} ms"
        cells = [label, f"{each['f1']:.3f}", each["right"], each["false"], each["missed"]]
        rows.append(_row([*cells, f"{each['false_a_minute']:.1f}", off]))
    took = record["spotters"]
    ours, theirs = (took[name]["100"]["spotter_cpu_ms_a_frame"] for name in ("network", "rule"))
    said = (
        f"Beside the measuring of motion, the network with its rule takes {ours:.3f} ms of processor time "
        f"a frame and face ({record['engine']}), the rule alone {theirs:.3f}."
    )
    return "\n".join([*rows, "", said])


def naming(record: dict[str, Any]) -> str:
    """How often the expression that a movement belongs to is named."""
    rows = _head(["", "movements", *NAMINGS])
    for reach, counts in record["naming"]["at_true_times"].items():
        low, high = (f"{100 * float(part):g}" for part in reach.split("-"))
        rows.append(_counted(f"read at its true times, farthest point {low}-{high} %", counts, NAMINGS))
    for name, rates in record["spotters"].items():
        rows.append(_counted(f"spotted by the {name} at 100 frames a second", rates["100"]["named"], NAMINGS))
    return "\n".join([*rows, "", f"Read at true times: of {record['naming']['people']} people, 20 s each."])


def toned(record: dict[str, Any]) -> str:
    """What tone is told of movements of each tone."""
    blocks = [("at their true times", record["tones"]["at_true_times"])]
    blocks += [
        (f"spotted by the {name} at 100 frames a second", rates["100"]["toned"])
        for name, rates in record["spotters"].items()
        if name != "rule"
    ]
    rows = _head(["made of actions that are", "movements", *(f"told {each}" for each in TONES), "told none"])
    for where, counts in blocks:
        for name, told in counts.items():
            label = "of two of these, or of none" if name == OTHER else name
            rows.append(_counted(f"{label}, {where}", told, TONES_AND_OTHER))
    people, seconds = record["tones"]["people"], record["tones"]["seconds"]
    return "\n".join([*rows, "", f"At their true times: of {people} people, {seconds:g} s each."])


def _counted(label: str, counts: dict[str, int], words: Sequence[str]) -> str:
    """A row: how many in all, then how many of each of ``words``, with their share."""
    total = sum(counts.values())
    shares = [f"{counts[word]} ({counts[word] / total:.0%})" if total else "-" for word in words]
    return _row([label, total, *shares])


def real(record: dict[str, Any]) -> str:
    """False alarms on real films, of the rule / the network."""
    whole, names = record["real"], list(record["spotters"])
    rows = _head(
        [
            "rule / network",
            "frames a second",
            "seconds",
            "as run",
            "told at its rate",
            "played at 100 a second",
        ]
    )
    for each in whole["films"]:
        told = {
            way: " / ".join(str(each[name][way]["undoubted"]) for name in names) for way in ("own", "played")
        }
        as_run = told["own"] if each["told"] else "none can be"
        cells = [each["film"], f"{each['rate']:.1f}", f"{each['seconds']:.1f}", as_run]
        rows.append(_row([*cells, told["own"], told["played"]]))
    own, played = (" / ".join(f"{whole[name][f'{way}_a_minute']:.1f}" for name in names) for way in told)
    said = (
        f"Told at their own rate {own} a minute over {whole['minutes']:.1f} minutes; "
        f"played at 100 a second {played} a minute over {whole['played_minutes']:.2f} minutes."
    )
    return "\n".join([*rows, "", said])


def cost(record: dict[str, Any]) -> str:
    """Processor time of a whole run's frame without and with the extra."""
    each = record["run_cpu_ms"]
    wide, high = each["frame"]
    return (
        f"A frame of {wide} x {high} with one face, searched, followed, read and shown as a whole run does: "
        f"{each['off']:.2f} ms of processor time without `--moments`, {each['rule']:.2f} ms with the rule, "
        f"{each['network']:.2f} ms with the network."
    )


def _rates(record: dict[str, Any]) -> list[str]:
    return sorted(record["spotters"]["rule"], key=int, reverse=True)


def _head(names: list[str]) -> list[str]:
    return [_row(names), "|" + "---|" * len(names)]


def _row(cells: list[Any]) -> str:
    return f"| {' | '.join(map(str, cells))} |"
