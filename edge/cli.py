"""``ferlite``: run, info, doctor, fetch; ``ferlite X`` hands over to an installed ``ferlite-X``.

Everything heavy is imported by the verb that needs it, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from edge import settings
from edge.commands import command, exits
from edge.commands.command import Parser
from edge.errors import FerliteError, UsageError
from edge.serve.command import TEXT
from edge.serve.command import add as add_serve

if TYPE_CHECKING:
    from edge.isolate.parent import Isolated
    from edge.live.vitals import Vitals
    from edge.pipeline import Pipeline
    from edge.settings import RunSettings
    from edge.source import Source

PROGRAM = "ferlite"
VERBS = {
    "run": "read expressions from pictures, videos or a camera",
    "serve": TEXT,
    "info": "what a bundle holds, checked",
    "doctor": "what works on this machine, and what to type for the rest",
    "fetch": "download weights that are not ours to ship",
}
OTHERS = {
    "train": "train models",
    "quantize": "int8 bundles, measured",
    "bench": "what a bundle costs here: speed, memory, power",
    "boards": "probe, deploy, flash",
}
BUNDLE = "folder, .zip or shipped name (default: the default)"


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments and arguments[0] not in VERBS and not arguments[0].startswith("-"):
        return exits.guard(PROGRAM, lambda: _hand_over(arguments[0], arguments[1:]))
    return command.main(PROGRAM, parser, arguments)


def _hand_over(verb: str, rest: list[str]) -> NoReturn:
    """Become ``ferlite-VERB`` if it is installed. Raises UsageError if not."""
    beside = Path(sys.argv[0]).resolve().parent
    program = shutil.which(f"ferlite-{verb}") or shutil.which(f"ferlite-{verb}", path=str(beside))
    if program is None:
        raise UsageError(f"unknown command '{verb}': choose {', '.join((*VERBS, *OTHERS))}")
    os.execv(program, [program, *rest])


def parser() -> Parser:
    """The whole command line."""
    others = "\n".join(f"  ferlite {name:<10} {what} (ferlite-{name})" for name, what in OTHERS.items())
    top, verbs = command.program(
        PROGRAM,
        "Facial expressions on small computers.",
        epilog=f"the other half, where it is installed:\n{others}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_run(command.verb(verbs, "run", VERBS["run"], _run, json=False))
    add_serve(verbs)
    info = command.verb(verbs, "info", VERBS["info"], _info)
    info.add_argument("bundle", nargs="?", default="", metavar="BUNDLE", help=BUNDLE)
    doctor = command.verb(verbs, "doctor", VERBS["doctor"], _doctor)
    doctor.add_argument("--bundle", type=command.filled, help=BUNDLE)
    doctor.add_argument(
        "--golden", action="store_true", help="also hold the bundle's answers here against the build's"
    )
    fetch = command.verb(verbs, "fetch", VERBS["fetch"], _fetch)
    fetch.add_argument("name", metavar="NAME", help="yunet: the YuNet face detector (MIT)")
    fetch.add_argument(
        "--from", dest="address", type=command.filled, metavar="URL", help="a mirror (same sha256)"
    )
    return top


def _add_run(run: Parser) -> None:
    run.add_argument(
        "source",
        nargs="*",
        type=command.filled,
        default=argparse.SUPPRESS,
        metavar="SOURCE",
        help="picture, folder, glob, video, camera number, /dev/videoN, URL, GStreamer pipeline or picamera2",
    )
    run.add_argument(
        "--config", type=Path, metavar="FILE", help="settings as JSON (what a deployed board uses)"
    )
    settings.add_options(run)
    cluster = run.add_argument_group("cluster", "for more files than one computer reads (docs/scale.md)")
    cluster.add_argument(
        "--on",
        type=command.filled,
        metavar="CLUSTER",
        help="local:N processes, tcp://SCHEDULER:PORT or ssh:HOSTS.txt",
    )
    cluster.add_argument(
        "--out",
        type=lambda text: Path(command.filled(text)),
        metavar="FOLDER",
        help="where --on writes its readings, as Parquet",
    )


def _run(arguments: argparse.Namespace) -> int:
    wanted = settings.resolve(arguments)
    if not wanted.source:
        raise UsageError("nothing to look at: give a picture, a folder, a video or a camera number")
    if arguments.on:
        from cluster.archive import command as archive

        return archive.run(arguments, wanted)
    if arguments.out:
        raise UsageError("--out is where --on writes to: for a single run give --sink jsonl:FILE or --save")
    from edge.memory import one_arena

    one_arena()
    from edge.commands.outputs import refuse_losses

    refuse_losses(wanted, arguments.config)
    sources, failures = _open_sources(wanted.source)
    try:
        if sources:
            failures += _run_sources(sources, wanted)
    finally:
        for source in sources:
            source.close()
    return exits.FAILED if failures else exits.OK


def _open_sources(specs: tuple[str, ...]) -> tuple[list[Source], int]:
    """Those that open, and how many did not: their errors are said and the others go on."""
    from edge.source import open_source

    sources: list[Source] = []
    for spec in specs:
        try:
            sources.append(open_source(spec))
        except FerliteError as error:
            _complain(error)
    return sources, len(specs) - len(sources)


def _run_sources(sources: list[Source], wanted: RunSettings) -> int:
    """Run all of them through one pipeline; how many frames or files failed."""
    from edge.isolate.parent import Isolated
    from edge.live.notify import Notifier
    from edge.live.vitals import Vitals
    from edge.run import learn, listening, open_sinks, pipeline_of, run, watching
    from edge.steps import default_overlap

    passed = Notifier().frame_passed if wanted.notify else lambda: None
    with ExitStack() as finish:
        stills = all(source.stills for source in sources)
        listen = finish.enter_context(listening(wanted, sources, _complain))
        pipeline: Pipeline | Isolated
        if wanted.isolate:
            pipeline = finish.enter_context(Isolated(wanted, stills))
        else:
            pipeline = finish.enter_context(pipeline_of(wanted, stills))
        if not wanted.quiet:
            _remark_choice(pipeline)
        chosen = pipeline.bundle, pipeline.chosen.engine
        watch = finish.enter_context(watching(wanted, sources, *chosen, _remark(wanted)))
        vitals = Vitals()
        learning = learn(wanted, *chosen)
        sinks = [*open_sinks(wanted, sources, pipeline.bundle, vitals, _complain), *learning]
        for sink in sinks:
            finish.callback(sink.close)
        failures, left = 0, wanted.most
        try:
            for source in sources:
                done = run(
                    pipeline,
                    source,
                    sinks,
                    vitals,
                    most=left,
                    overlap=wanted.overlap or default_overlap(),
                    complain=_complain,
                    after_frame=passed,
                    listen=listen,
                    watch=watch,
                )
                source.close()  # what was read is let go of before the next is opened
                failures += done.failures
                if wanted.most:
                    left -= done.taken
                    if left <= 0:
                        break
        except KeyboardInterrupt:  # how the run of a camera ends, by Ctrl-C or the system
            _remark_end(vitals, wanted)
            raise
        _remark_end(vitals, wanted)
    return failures + sum(vitals.losses.values())


def _complain(error: FerliteError) -> None:
    print(f"{PROGRAM}: {error}", file=sys.stderr)


def _remark(wanted: RunSettings) -> Callable[[str], None]:
    """What says a sentence that is no error, unless nothing is to be said."""
    return lambda sentence: None if wanted.quiet else print(f"{PROGRAM}: {sentence}", file=sys.stderr)


def _remark_end(vitals: Vitals, wanted: RunSettings) -> None:
    if not wanted.quiet and (said := vitals.summary()):
        print(f"{PROGRAM}: {said}", file=sys.stderr)


def _remark_choice(pipeline: Pipeline | Isolated) -> None:
    """Say what ``auto`` passed over; what it took is in every record's bundle."""
    for name, reason in (*pipeline.chosen.engines_skipped, *pipeline.chosen.detectors_skipped):
        print(f"{PROGRAM}: passed over {name}: {reason}", file=sys.stderr)


def _info(arguments: argparse.Namespace) -> int:
    from edge.commands import describe

    facts = describe.bundle(arguments.bundle)
    command.output(arguments, facts, describe.bundle_text(facts))
    return exits.OK


def _doctor(arguments: argparse.Namespace) -> int:
    from edge.commands import doctor

    findings = doctor.examine(arguments.bundle or "", arguments.golden)
    listing = [asdict(finding) for finding in findings]
    command.output(arguments, {"findings": listing}, doctor.as_text(findings))
    return exits.OK if doctor.healthy(findings) else exits.FAILED


def _fetch(arguments: argparse.Namespace) -> int:
    from edge import fetch

    path = fetch.fetch(arguments.name, arguments.address or "")
    sha256 = fetch.WEIGHTS[arguments.name].sha256
    command.output(arguments, {"name": arguments.name, "file": str(path), "sha256": sha256}, str(path))
    return exits.OK


if __name__ == "__main__":
    sys.exit(main())
