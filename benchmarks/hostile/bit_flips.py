"""Single bits of a signed bundle changed, one at a time: how many of these bundles are refused?

    python -m benchmarks.hostile.bit_flips [--bundle mobilenetv2] [--flips 10000] [--save RECORD]

A bundle that ships is copied and signed with a new key. Each flip is looked at as a program would with
``--require-signature``: bundle.json, the signature, and every engine's files. A quarter of the flips is in
bundle.json, a quarter in the signature, the rest anywhere in the weights.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.record import origin, save
from edge import bundle as bundles
from edge.bundle_files.signature import MAKE_KEYS, SIGNATURE
from edge.commands.progress import Progress
from edge.errors import BundleInvalid
from quantize.proof.sign import sign


def flips(name: str, count: int, seed: int) -> dict[str, Any]:
    """Flip ``count`` bits of the bundle, one after the other, and count what is refused where."""
    dice = random.Random(seed)
    refused: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["FERLITE_STATE"] = scratch
        subprocess.run(["sh", "-ec", MAKE_KEYS], cwd=scratch, check=True, capture_output=True)
        source = bundles.load(name)
        copy, public = Path(scratch) / "bundle", Path(scratch) / "public.pem"
        weights = sorted({part for files in source.files.values() for part in files.parts})
        copy.mkdir()
        for file in (bundles.MANIFEST, *weights):
            shutil.copyfile(source.path / file, copy / file)
        sign(str(copy), Path(scratch) / "private.pem", None, None)
        with Progress("flipping", count, "bits") as progress:
            for _ in range(count):
                small = dice.choice((bundles.MANIFEST, SIGNATURE))
                file = small if dice.random() < 0.5 else dice.choice(weights)
                tried[file] += 1
                refused[file] += _refused(copy, file, dice, public)
                progress.advance()
        bundles.load(copy, public).verify()  # it is whole again, so the flips were what was refused
    return {
        "schema": 1,
        "kind": "ferlite bit flips",
        **origin("benchmarks.hostile.bit_flips"),
        "bundle": name,
        "flips": count,
        "refused": sum(refused.values()),
        "files": {file: {"flips": tried[file], "refused": refused[file]} for file in sorted(tried)},
    }


def _refused(bundle: Path, file: str, dice: random.Random, public: Path) -> bool:
    """Whether the bundle with a bit of this file changed is refused; the bit is put back."""
    with (bundle / file).open("r+b", buffering=0) as opened:
        bit = dice.randrange(8 * os.fstat(opened.fileno()).st_size)
        before = os.pread(opened.fileno(), 1, bit // 8)
        os.pwrite(opened.fileno(), bytes([before[0] ^ 1 << bit % 8]), bit // 8)
        try:
            bundles.load(bundle, public).verify()
        except BundleInvalid:
            return True
        finally:
            os.pwrite(opened.fileno(), before, bit // 8)
    return False


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", default=bundles.DEFAULT)
    parser.add_argument("--flips", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", type=Path)
    arguments = parser.parse_args()
    record = flips(arguments.bundle, arguments.flips, arguments.seed)
    save(record, arguments.save)
    print(json.dumps(record, indent=1))
    return int(record["refused"] != record["flips"])


if __name__ == "__main__":
    sys.exit(main())
