"""``ferlite-train synth``: make a data set of rendered faces, and a sheet of its first ones to look at."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.commands import command
from edge.commands.exits import OK
from edge.errors import StorageFailed, UsageError
from edge.files import refuse_same, write_bytes

HELP = "make a data set of rendered faces"

# As train.synth.makehuman has them, which is only imported to make faces.
AGES = ("baby", "child", "young", "old")


def add(verb: command.Parser) -> None:
    """The options of the verb."""
    verb.add_argument(
        "--heads", type=Path, required=True, metavar="FILE", help="packed heads: ICT-FaceKit's or MakeHuman's"
    )
    verb.add_argument("--out", type=Path, required=True, metavar="FILE", help="data set to write, .npz")
    verb.add_argument("--sheet", type=Path, metavar="FILE", help="picture of the first faces to write, .png")
    for option, kind, default, text in (
        ("--count", command.whole(1, 1_000_000), 700, "faces to make, one of each label a person"),
        ("--side", command.whole(16, 512), 96, "their side in pixels"),
        ("--first", command.whole(0, 10**9), 0, "number of the first person"),
        ("--yaw", command.number(0, 90), 25.0, "degrees they turn at most"),
        ("--weakest", command.number(0, 1), 0.6, "strength 0-1 of the weakest expression"),
    ):
        verb.add_argument(
            option, type=kind, default=default, metavar="N", help=f"{text} (default: {default:g})"
        )
    verb.add_argument(
        "--ages", nargs="+", choices=AGES, default=(), help="of MakeHuman's people (default: all but baby)"
    )
    verb.add_argument(
        "--labels",
        choices=("expressions", "neonatal"),
        default="expressions",
        help="what they show: seven expressions, or a newborn's four states (default: expressions)",
    )
    verb.add_argument("--crop", default="fer2013", help="data set whose measured crop rule cuts them")


def run(arguments: argparse.Namespace) -> int:
    """Make the faces, write them, and say what they are."""
    import cv2

    from faces.crop_rule import crop_rule_of
    from train.synth import dataset
    from train.synth.families import load_heads

    if arguments.out.suffix != ".npz":
        raise UsageError(f"--out is '{arguments.out}', and must end with .npz")
    if arguments.sheet and arguments.sheet.suffix != ".png":
        raise UsageError(f"--sheet is '{arguments.sheet}', and must end with .png")
    refuse_same([arguments.out, arguments.sheet], [arguments.heads])
    if arguments.labels == "neonatal" and tuple(arguments.ages) != ("baby",):
        raise UsageError("--labels neonatal is of newborns alone: add --ages baby")
    wish = dataset.Wish(
        arguments.count,
        arguments.side,
        arguments.first,
        arguments.yaw,
        arguments.weakest,
        arguments.labels,
    )
    heads = load_heads(arguments.heads, tuple(arguments.ages))
    made = dataset.make(heads, wish, crop_rule_of(arguments.crop))
    dataset.write(made, arguments.out)
    if arguments.sheet:
        done, coded = cv2.imencode(".png", dataset.sheet(made))
        if not done:
            raise StorageFailed(f"cannot write '{arguments.sheet}': OpenCV could not encode it")
        write_bytes(arguments.sheet, coded.tobytes())
    people = len(set(made.person.tolist()))
    facts = {
        "file": str(arguments.out),
        "source": made.source,
        "faces": len(made),
        "people": people,
        "labels": list(made.labels),
    }
    command.output(arguments, facts, f"{arguments.out}: {len(made)} faces of {people} people, {made.source}")
    return OK
