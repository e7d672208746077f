"""``ferlite-train``: a thin face on ``train.loop`` and ``train.evaluate``."""

from __future__ import annotations

import argparse
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="ferlite-train", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="train a recipe, or go on with a run that was stopped")
    run.add_argument("recipe", help="a built-in recipe's name or a .toml file")
    run.add_argument("--data", type=Path, required=True, help="packed FER2013 (.npz)")
    run.add_argument("--out", type=Path, required=True, help="folder of the run")
    run.add_argument("--threads", type=int, default=0, help="CPU threads (default: all)")
    arguments = parser.parse_args(argv)

    from train import data, loop, recipe

    chosen = recipe.load(arguments.recipe)
    outcome = loop.fit(
        chosen,
        data.load_fer2013(arguments.data, "train"),
        data.load_fer2013(arguments.data, "public"),
        arguments.out,
        threads=arguments.threads,
    )
    print(f"{outcome.best_accuracy:.4f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
