"""``ferlite info``: what a bundle holds, having checked that it is all there."""

from __future__ import annotations

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
    lines = [
        f"{facts['name']}: {facts['description']}",
        f"  from       {facts['path']}",
        f"  labels     {', '.join(facts['labels'])}",
        f"  input      {spec['size']} x {spec['size']} {spec['colour']}",
        f"  uncertain  below weight {doubt['weight']:g}, face under {doubt['face_px']:g} px, "
        f"sharpness {doubt['sharpness']:g}, turn {doubt['turn']:g}",
    ]
    for name, entry in facts["files"].items():
        size = facts["bytes"][name] / 1e6
        lines.append(f"  {name:<9}  {entry['precision']}, {size:.2f} MB, digest good")
    for record in facts["accuracy"]:
        lines.append(
            f"  measured   {record['accuracy']:.2%} on {record['data']} (n = {record['images']}), "
            f"{record['library']}, {record['precision']}"
        )
    return "\n".join(lines)
