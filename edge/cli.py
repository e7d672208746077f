"""``ferlite``: run, info, doctor, fetch; ``ferlite X`` hands over to an installed ``ferlite-X``.

Everything heavy is imported by the verb that needs it, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from edge import exits
from edge.detectors.table import DETECTORS
from edge.engines.table import ENGINES
from edge.errors import FerliteError, UsageError

if TYPE_CHECKING:
    from edge.pipeline import Pipeline
    from edge.sinks import Sink
    from edge.source import Source

OTHERS = {"train": "train models", "quantize": "int8 bundles, measured", "boards": "probe, deploy, flash"}


class Parser(argparse.ArgumentParser):
    """argparse, with our one-sentence errors."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of printing the whole usage."""
        raise UsageError(f"{message} (see {self.prog} --help)")


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    return exits.guard("ferlite", lambda: _main(arguments))


def _main(argv: list[str]) -> int:
    verbs = {"run": _run, "info": _info, "doctor": _doctor, "fetch": _fetch}
    if argv and argv[0] not in verbs and not argv[0].startswith("-"):
        _hand_over(argv[0], argv[1:])
    arguments = parser().parse_args(argv)
    if not arguments.verb:
        parser().print_help()
        return exits.OK
    return verbs[arguments.verb](arguments)


def _hand_over(verb: str, rest: list[str]) -> None:
    """Become ``ferlite-VERB`` if it is installed. Raises UsageError if not."""
    beside = Path(sys.argv[0]).resolve().parent
    program = shutil.which(f"ferlite-{verb}") or shutil.which(f"ferlite-{verb}", path=str(beside))
    if program is None:
        raise UsageError(f"unknown command '{verb}': choose run, info, doctor, fetch, {', '.join(OTHERS)}")
    sys.stdout.flush()
    os.execv(program, [program, *rest])


def parser() -> Parser:
    """The whole command line."""
    others = "\n".join(f"  ferlite {name:<10} {what} (ferlite-{name})" for name, what in OTHERS.items())
    top = Parser(
        prog="ferlite",
        description="Facial expressions on small computers.",
        epilog=f"the other half, where it is installed:\n{others}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"ferlite {_version()}")
    verbs = top.add_subparsers(dest="verb", metavar="COMMAND", parser_class=Parser)
    _add_run(verbs.add_parser("run", help="read expressions from pictures, videos or a camera"))
    info = verbs.add_parser("info", help="what a bundle holds, checked")
    info.add_argument(
        "bundle", nargs="?", default="", help="folder, .zip or shipped name (default: the default)"
    )
    info.add_argument("--json", action="store_true", help="print JSON")
    doctor = verbs.add_parser("doctor", help="what works on this machine, and what to type for the rest")
    doctor.add_argument("--bundle", default="", help="bundle to look at (default: the shipped one)")
    doctor.add_argument(
        "--golden", action="store_true", help="also hold the bundle's answers here against the build's"
    )
    doctor.add_argument("--json", action="store_true", help="print JSON")
    fetch = verbs.add_parser("fetch", help="download weights that are not ours to ship")
    fetch.add_argument("name", metavar="NAME", help="yunet: the YuNet face detector (MIT)")
    fetch.add_argument("--from", dest="address", default="", metavar="URL", help="a mirror (same sha256)")
    fetch.add_argument("--json", action="store_true", help="print JSON")
    return top


def _add_run(run: argparse.ArgumentParser) -> None:
    run.add_argument("source", nargs="*", metavar="SOURCE",
                     help="picture, folder, glob, video, camera number, /dev/videoN, URL, "
                          "GStreamer pipeline or picamera2")  # fmt: skip
    run.add_argument(
        "--config", type=Path, metavar="FILE", help="settings as JSON (what a deployed board uses)"
    )
    model = run.add_argument_group("model")
    model.add_argument("--bundle", default="", help="folder, .zip or shipped name")
    model.add_argument("--prior", default="", metavar="NAME|FILE",
                       help="how common expressions are: a name (ferlite info) or a .json file")  # fmt: skip
    model.add_argument("--engine", default="auto", help=f"auto, {', '.join(ENGINES)} (default: auto)")
    model.add_argument("--device", default="", help="CPU, GPU, NPU, AUTO; CUDA or TensorRT for onnx")
    model.add_argument(
        "--threads", type=int, default=0, metavar="N", help="engine threads (default: its own)"
    )
    model.add_argument("--smooth", type=float, default=0.4, metavar="SECONDS",
                       help="time constant of smoothing in videos, 0 for none (default: 0.4)")  # fmt: skip
    faces = run.add_argument_group("faces")
    faces.add_argument("--detector", default="auto", help=f"auto, {', '.join(DETECTORS)} (default: auto)")
    faces.add_argument("--detector-model", type=Path, metavar="FILE", help="its weights")
    faces.add_argument("--detector-engine", default="auto", metavar="ENGINE", help="the engine it runs in")
    faces.add_argument("--detect-size", type=int, default=0, metavar="PX",
                       help="longer side searched for faces (default: 640, in videos 384)")  # fmt: skip
    faces.add_argument("--detect-every", type=int, default=0, metavar="N",
                       help="search every Nth frame of a video, following faces (default: 3)")  # fmt: skip
    faces.add_argument("--detect-score", type=float, metavar="0-1", help="least score of a face")
    output = run.add_argument_group("output (a table, unless --json or --csv is on standard output)")
    output.add_argument("--json", nargs="?", const="-", metavar="FILE", help="JSON lines")
    output.add_argument("--csv", nargs="?", const="-", metavar="FILE", help="CSV")
    output.add_argument(
        "--save", type=Path, metavar="PATH", help="annotated picture, folder of them, or video"
    )
    output.add_argument(
        "--privacy", action="store_true", help="make faces unrecognisable in what --save writes"
    )
    output.add_argument("--most", type=int, default=0, metavar="N", help="stop after N frames")
    output.add_argument("--quiet", action="store_true", help="no remarks on standard error")
    output.add_argument("--notify", action="store_true", help="tell systemd that frames flow (sd_notify)")


def _run(arguments: argparse.Namespace) -> int:
    from edge import settings

    settings.apply(arguments, arguments.config)
    if not arguments.source:
        raise UsageError("nothing to look at: give a picture, a folder, a video or a camera number")
    if arguments.privacy and not arguments.save:
        raise UsageError("--privacy changes what --save writes: add --save PATH")
    if arguments.json == "-" and arguments.csv == "-":
        raise UsageError("--json and --csv cannot both go to standard output: give one of them a file")
    sources, failures = _open_sources(arguments.source)
    try:
        if arguments.save and len(sources) > 1 and not all(source.stills for source in sources):
            raise UsageError("--save writes one video at a time: give one video, or pictures only")
        if sources:
            failures += _run_sources(sources, arguments)
    finally:
        for source in sources:
            source.close()
    return exits.FAILED if failures else exits.OK


def _open_sources(specs: list[str]) -> tuple[list[Source], int]:
    """Those that open, and how many did not: their errors are said and the others go on."""
    from edge.source import open_source

    sources: list[Source] = []
    for spec in specs:
        try:
            sources.append(open_source(spec))
        except FerliteError as error:
            _complain(error)
    return sources, len(specs) - len(sources)


def _run_sources(sources: list[Source], arguments: argparse.Namespace) -> int:
    """Run all of them through one pipeline; how many frames or files failed."""
    from edge import settings

    sinks: list[Sink] = []
    with settings.pipeline(arguments, all(source.stills for source in sources)) as pipeline:
        _remark_choice(pipeline, arguments.quiet)
        try:
            sinks = settings.sinks(arguments, sources, pipeline.bundle.labels)
            return sum(_feed(pipeline, source, sinks, arguments) for source in sources)
        finally:
            for sink in sinks:
                sink.close()


def _feed(pipeline: Pipeline, source: Source, sinks: list[Sink], arguments: argparse.Namespace) -> int:
    """Run one source; how many of its frames or files failed."""
    from edge.notify import Notifier
    from edge.run import run

    passed = Notifier().frame_passed if arguments.notify else lambda: None
    summary = run(pipeline, source, sinks, most=arguments.most, complain=_complain, after_frame=passed)
    return summary.failures


def _complain(error: FerliteError) -> None:
    print(f"ferlite: {error}", file=sys.stderr)


def _remark_choice(pipeline: Pipeline, quiet: bool) -> None:
    """Say what ``auto`` passed over; what it took is in every record's bundle."""
    if not quiet:
        for name, reason in (*pipeline.chosen.engines_skipped, *pipeline.chosen.detectors_skipped):
            print(f"ferlite: passed over {name}: {reason}", file=sys.stderr)


def _info(arguments: argparse.Namespace) -> int:
    from edge import describe

    facts = describe.bundle(arguments.bundle)
    print(json.dumps(facts, indent=2) if arguments.json else describe.bundle_text(facts))
    return exits.OK


def _doctor(arguments: argparse.Namespace) -> int:
    from edge import doctor

    findings = doctor.examine(arguments.bundle, arguments.golden)
    if arguments.json:
        print(json.dumps([finding.__dict__ for finding in findings], indent=2))
    else:
        print(doctor.as_text(findings))
    return exits.OK if doctor.healthy(findings) else exits.FAILED


def _fetch(arguments: argparse.Namespace) -> int:
    from edge import fetch

    path = fetch.fetch(arguments.name, arguments.address)
    result: dict[str, Any] = {
        "name": arguments.name,
        "file": str(path),
        "sha256": fetch.WEIGHTS[arguments.name].sha256,
    }
    print(json.dumps(result) if arguments.json else path)
    return exits.OK


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("ferlite")
    except metadata.PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
