"""What the parts of a system are worth: several runs probed on the same faces, a record of all.

    python -m benchmarks.systems.ablation RUN RUN ... --data marked.npz --only labels --save NAME.json

Each run is probed once, where 'ferlite train probe --against' would probe the one that all are held against
again and again. ``benchmarks.systems.probes`` makes the table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.record import origin, save
from benchmarks.systems.probes import markdown
from edge.commands.progress import Progress
from edge.errors import FerliteError
from faces import readers
from faces.face_set import FaceSet
from train import loop, probe
from train.checkpoint import Trained, load_run
from train.evaluate import environment


def measure(
    runs: Sequence[Trained], source: FaceSet, others: Sequence[FaceSet], test: FaceSet, only: Sequence[str]
) -> list[dict[str, Any]]:
    """Every run with its rows, JSON-ready. Raises DataInvalid."""
    found = []
    with Progress("probing", len(runs), "runs") as progress:
        for trained in runs:
            rows = probe.rows_of(trained, source, others, test, only)
            shown = [
                {"probed": probed, "data": data, "value": round(value, 5)}
                for (probed, data), value in rows.items()
            ]
            found.append({"run": probe.about(trained), "rows": shown})
            progress.advance()
    return found


def main() -> int:
    """Probe, print, save."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.systems.ablation", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs, or weights")
    parser.add_argument("--data", type=Path, required=True, help="faces to test on")
    parser.add_argument("--domain", type=Path, action="append", default=[], help="another data set")
    parser.add_argument("--split", choices=("public", "private"), default="private")
    parser.add_argument("--only", choices=probe.PROBES, nargs="+", default=())
    parser.add_argument("--save", type=Path, help="write the record here")
    arguments = parser.parse_args()
    try:
        loop.use_threads(1)
        runs = [load_run(path) for path in arguments.runs]
        size = runs[0].recipe.model.input_size
        found = readers.read(arguments.data, size, search=False)
        others = [readers.read(path, size, search=False).split(arguments.split) for path in arguments.domain]
        source, test = found.split("train"), found.split(arguments.split)
        made = measure(runs, source, others, test, arguments.only)
    except FerliteError as error:
        print(f"ablation: {error}", file=sys.stderr)
        return 1
    record = {
        "schema": 1,
        "kind": "ferlite ablation",
        **origin("benchmarks.systems.ablation"),
        "data": probe.used((source, *others, test)),
        "environment": environment(),
        "runs": made,
    }
    print(markdown(record))
    save(record, arguments.save)
    return 0


if __name__ == "__main__":
    sys.exit(main())
