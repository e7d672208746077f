"""``ferlite info``: what a bundle holds, having checked that it is all there."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge import bundle as bundles


def bundle(where: str | Path = "") -> dict[str, Any]:
    """The bundle's facts as JSON types; every file's digest was checked. Raises BundleInvalid."""
    loaded = bundles.load(where)
    sizes = {name: sum(map(len, loaded.model(name).parts.values())) for name in loaded.files}
    facts = asdict(loaded)
    facts["path"] = str(loaded.path)
    facts["bytes"] = sizes
    return facts


def bundle_text(facts: dict[str, Any]) -> str:
    """The facts for people."""
    spec, doubt = facts["input"], facts["doubt"]
    bounds = (
        f"weight under {doubt['weight']:g}, face under {doubt['face_px']:g} px, "
        f"sharpness under {doubt['sharpness']:g}, turn over {doubt['turn']:g}"
    )
    lines = [
        facts["name"],
        *_row("", facts["description"]),
        *_row("from", facts["path"]),
        *_row("labels", ", ".join(facts["labels"])),
        *_row("input", f"{spec['size']} x {spec['width'] or spec['size']} {spec['colour']}"),
        # A voice or a motion is not a face that could be small or turned.
        *(_row("uncertain", bounds) if facts["kind"] not in ("voice", "spotter") else ()),
    ]
    named = set(facts["priors"]) or {name for entry in facts["files"].values() for name in entry["scalings"]}
    if named:
        others = ", ".join(sorted(named - {facts["prior"]}))
        lines += _row("prior", facts["prior"] + (f" (also: {others})" if others else ""))
    for name, entry in facts["files"].items():
        size = facts["bytes"][name] / 1e6
        lines += _row(name, f"{entry['precision']}, {size:.2f} MB, digest good")
    for record in facts["accuracy"]:
        measured = f"{record['accuracy']:.2%} on {record['data']} (n = {record['images']})"
        by = [text for text in (record["library"] or record["engine"], record["precision"]) if text]
        lines += _row("measured", ", ".join([measured, *by]))
    return "\n".join(lines)


def _row(name: str, text: str) -> list[str]:
    """``text`` in lines of 80 columns beside its name."""
    wrapped = textwrap.wrap(text, 66, break_on_hyphens=False) or [""]
    return [f"  {name if index == 0 else '':<10} {line}".rstrip() for index, line in enumerate(wrapped)]
