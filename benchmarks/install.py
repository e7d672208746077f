"""What pip installs for the runtime with each engine, package by package.

    python -m benchmarks.install [--save benchmarks/records/install.json]

Each engine gets an environment of its own beside the peers' (under $FERLITE_PEERS or the user's cache), made
once. Sizes are those of the files, without compiled bytecode, pip and setuptools.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.peers import environments
from benchmarks.peers.environments import ROOT, Peer
from benchmarks.record import origin, save
from edge.engines.table import ENGINES
from measure import machine

SMALLEST_PEER_MB = 331  # the smallest install of a peer that reads expressions, and what ours is held against
TARGET_MB = SMALLEST_PEER_MB / 3
OURS = {"pip", "setuptools", "wheel"}
SIZES = """
import json
from importlib import metadata
sizes = {}
for one in metadata.distributions():
    files = [one.locate_file(file) for file in one.files or () if not str(file).endswith(".pyc")]
    sizes[one.metadata["Name"]] = [one.version, sum(file.lstat().st_size for file in files if file.is_file())]
print(json.dumps(sizes))
"""


def main() -> int:
    """Install, measure, print, save."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.install", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--cache", type=Path, default=environments.cache(), help="where environments are kept"
    )
    parser.add_argument("--engines", type=lambda text: text.split(","), default=list(ENGINES))
    parser.add_argument("--save", type=Path, help="write the record here")
    arguments = parser.parse_args()
    if unknown := set(arguments.engines) - set(ENGINES):
        parser.error(f"unknown engine '{min(unknown)}': choose {', '.join(ENGINES)}")
    record: dict[str, Any] = {
        "schema": 1,
        "kind": "ferlite install",
        **origin("benchmarks.install"),
        "machine": asdict(machine.here()),
        "target_mb": round(TARGET_MB, 1),
        "engines": {engine: measure(engine, arguments.cache) for engine in arguments.engines},
    }
    save(record, arguments.save)
    print(markdown(record))
    return 0


def measure(engine: str, place: Path) -> dict[str, Any]:
    """Bytes of each package that ``pip install ferlite[engine]`` brings, the largest first."""
    home = "ferlite" if engine == "onnx" else f"ferlite-{engine}"
    peer = Peer("ferlite", (f"{ROOT}[{engine}]",), "run_ferlite.py", "", home=home)
    interpreter = environments.python(peer, place)
    done = subprocess.run([str(interpreter), "-c", SIZES], capture_output=True, text=True, check=True)
    packages = {name: each for name, each in json.loads(done.stdout).items() if name not in OURS}
    ranked = sorted(packages.items(), key=lambda item: -item[1][1])
    return {
        "bytes": sum(size for _, (_, size) in ranked),
        "packages": {name: {"version": version, "bytes": size} for name, (version, size) in ranked},
    }


def markdown(record: dict[str, Any]) -> str:
    """A row for each engine: in all, and the packages of a megabyte or more."""
    target = record["target_mb"]
    rows = ["| engine | MB | of that |", "|---|---|---|"]
    for engine, each in record["engines"].items():
        parts = [
            f"{name} {one['bytes'] / 1e6:.0f}"
            for name, one in each["packages"].items()
            if one["bytes"] >= 1e6
        ]
        rows.append(f"| {engine} | {each['bytes'] / 1e6:.0f} | {', '.join(parts)} |")
    met = all(each["bytes"] / 1e6 <= target for each in record["engines"].values())
    where = machine.read(record["machine"], "install.json")
    python = where.python or record["python"]  # before there was one machine record
    rows.append("")
    rows.append(
        f"Target {target:.0f} MB: {'met' if met else 'missed'}. {record['date']}, "
        f"Python {python}, {where.arch}: `{record['command']}`"
    )
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
