"""ferlite and its peers on the same frames, in turns, in one run.

    python -m benchmarks.peers --photos FACE.jpg MORE.jpg ... --bundle DIR --detector yunet.onnx \\
        --intel FOLDER --save benchmarks/records/peers.json

The first photograph makes the clip `one`, all of them the clip `many`. Environments are made once, under
$FERLITE_PEERS or the user's cache.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent.parent))


from benchmarks.peers import environments, table
from benchmarks.peers.race import cold_starts, race
from benchmarks.record import origin, save
from measure import machine


def main() -> int:
    """Install, run in turns, print a table, save the record."""
    arguments = _arguments()
    chosen = [peer for peer in environments.PEERS if peer.name in arguments.peers]
    not_run = dict(environments.NOT_RUN)
    if not arguments.intel:
        chosen = [peer for peer in chosen if peer.name != "intel"]
        not_run["intel"] = "not run: its weights were not given (--intel FOLDER)"
    interpreters = {peer.name: environments.python(peer, arguments.cache) for peer in chosen}
    places = {"bundle": arguments.bundle, "detector": arguments.detector, "intel": arguments.intel}
    commands = {
        peer.name: environments.command(peer, interpreters[peer.name], places, arguments.threads)
        for peer in chosen
    }
    with tempfile.TemporaryDirectory() as folder:
        # Only this run makes OpenCV necessary here: the peers have their own.
        from benchmarks.peers import clips

        made = clips.make(arguments.photos, Path(folder), arguments.frames)
        starts = cold_starts(commands, made["one"], arguments.threads, arguments.starts)
        raw = race(
            commands, made, frames=arguments.frames, rounds=arguments.rounds, threads=arguments.threads
        )
        digests = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in made.items()}
    for peer in chosen:
        raw["peers"][peer.name] |= {
            "gives": peer.gives,
            "start": starts[peer.name],
            "installed_bytes": environments.installed_bytes(arguments.cache, peer),
            "versions": environments.versions(interpreters[peer.name]),
        }
    figures = table.figures(raw, arguments.frames // arguments.rounds)
    record = {
        **_head(arguments, digests),
        "not_run": not_run,
        "loads": raw["loads"],
        "figures": _rounded(figures),
        "peers": _rounded(raw["peers"]),
    }
    save(record, arguments.save, indent=None)
    print(json.dumps(record) if arguments.json else table.markdown(record))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=(__doc__ or "").split("\n")[0]
    )
    names = [peer.name for peer in environments.PEERS]
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="the first has one face")
    parser.add_argument("--bundle", required=True, help="ferlite's bundle: a folder or a shipped name")
    parser.add_argument("--detector", required=True, help="YuNet's .onnx, for ferlite and for OpenCV")
    parser.add_argument("--intel", default="", help="folder with Intel's two networks (.xml, .bin)")
    parser.add_argument(
        "--cache", type=Path, default=environments.cache(), help="where environments are kept"
    )
    parser.add_argument(
        "--peers", type=lambda text: text.split(","), default=names, help="only these, with commas"
    )
    parser.add_argument("--frames", type=int, default=120, help="of each clip (default: 120)")
    parser.add_argument("--rounds", type=int, default=6, help="turns (default: 6)")
    parser.add_argument("--starts", type=int, default=3, help="cold starts of each (default: 3)")
    parser.add_argument(
        "--threads", type=int, default=1, help="for every library that can be told (default: 1)"
    )
    parser.add_argument("--note", default="", help="what else the machine was doing, for the record")
    parser.add_argument("--save", type=Path, help="write the record here")
    parser.add_argument("--json", action="store_true", help="print the record instead of the table")
    arguments = parser.parse_args()
    unknown = set(arguments.peers) - set(names)
    if unknown or "ferlite" not in arguments.peers:
        parser.error(f"--peers: ferlite and any of {', '.join(names[1:])}")
    if arguments.frames < 2 * arguments.rounds or arguments.frames % arguments.rounds:
        parser.error("--frames must be a multiple of --rounds, two or more frames to a round")
    for path in (*arguments.photos, Path(arguments.detector)):
        if not path.is_file():
            parser.error(f"there is no file '{path}'")
    return arguments


def _head(arguments: argparse.Namespace, digests: dict[str, str]) -> dict[str, Any]:
    photos = [path.name for path in arguments.photos]
    return {
        "schema": 1,
        "kind": "ferlite peers",
        **origin("benchmarks.peers"),
        "note": arguments.note,
        "machine": asdict(machine.here()),
        "settings": {
            "threads": arguments.threads,
            "frames": arguments.frames,
            "rounds": arguments.rounds,
            "bundle": Path(arguments.bundle).name,
            "bundle_digest": _digest(Path(arguments.bundle)),
            "detector": Path(arguments.detector).name,
            "photos": photos,
            "clips": digests,
        },
    }


def _digest(bundle: Path) -> str | None:
    manifest = bundle / "bundle.json"
    return hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.is_file() else None


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, (list, tuple)) else value


if __name__ == "__main__":
    sys.exit(main())
