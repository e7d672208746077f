"""The settings of ``ferlite run``: from the command line, or from an edge.json that a deployment wrote."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from edge.detect import DetectorOptions
from edge.engine import EngineOptions, Setting
from edge.errors import UsageError
from edge.follow import DETECT_EVERY
from edge.pipeline import Pipeline, open_pipeline
from edge.sinks import CsvSink, JsonLinesSink, PictureSink, Sink, TableSink, VideoSink
from edge.source import Source
from edge.track import Tracker

SCHEMA = 1
# key in edge.json -> (attribute of the command line, type)
KEYS: dict[str, tuple[str, type]] = {
    "source": ("source", str),
    "bundle": ("bundle", str),
    "prior": ("prior", str),
    "engine": ("engine", str),
    "engine_order": ("engine_order", list),
    "device": ("device", str),
    "engine_settings": ("engine_settings", dict),
    "threads": ("threads", int),
    "smooth": ("smooth", float),
    "detector": ("detector", str),
    "detector_model": ("detector_model", str),
    "detect_size": ("detect_size", int),
    "detect_every": ("detect_every", int),
    "sink": ("sink", list),
}
STILL_SIZE, VIDEO_SIZE = 640, 384  # benchmarks/records/detection.json has what is found at which


def apply(arguments: argparse.Namespace, config: Path | None) -> None:
    """Fill ``arguments`` from the file; what was typed on the command line wins. Raises UsageError."""
    arguments.engine_order, arguments.engine_settings = (), {}
    for key, value in (_read(config) if config else {}).items():
        if key == "source":
            arguments.source = arguments.source or [value]
        elif key == "engine_order":
            arguments.engine_order = tuple(value)
        elif key == "sink":
            _apply_sinks(arguments, value, str(config))
        elif key == "engine_settings":
            arguments.engine_settings = _engine_settings(value, str(config))
        elif not getattr(arguments, KEYS[key][0]) or getattr(arguments, KEYS[key][0]) == "auto":
            setattr(arguments, KEYS[key][0], Path(value) if key == "detector_model" else value)
    if arguments.engine_settings and arguments.engine == "auto":
        raise UsageError(f"'{config}': engine_settings belong to one engine: name it with engine")
    _check(arguments)


def _check(arguments: argparse.Namespace) -> None:
    """Raise UsageError for a number that makes no sense."""
    for name, value in (
        ("threads", arguments.threads),
        ("most", arguments.most),
        ("smooth", arguments.smooth),
    ):
        if value < 0:
            raise UsageError(f"--{name} is {value}, and must be 0 or more")
    if arguments.detect_size and not 64 <= arguments.detect_size <= 4096:
        raise UsageError(f"--detect-size is {arguments.detect_size}, and must be 64 to 4096 pixels")
    if not 0 <= arguments.detect_every <= 1000:
        raise UsageError(f"--detect-every is {arguments.detect_every}, and must be 1 to 1000 frames")
    if arguments.privacy and arguments.detect_every > 1:
        raise UsageError(
            f"--privacy searches every frame: it does not go with --detect-every {arguments.detect_every}"
        )
    if arguments.detect_score is not None and not 0 <= arguments.detect_score <= 1:
        raise UsageError(f"--detect-score is {arguments.detect_score}, and must be 0 to 1")


def pipeline(arguments: argparse.Namespace, stills: bool) -> Pipeline:
    """The pipeline that the settings ask for. Raises FerliteError."""
    engine = EngineOptions(arguments.threads, arguments.device, arguments.engine_settings)
    detector = DetectorOptions(
        size=arguments.detect_size or (STILL_SIZE if stills else VIDEO_SIZE),
        score=arguments.detect_score,
        model=arguments.detector_model,
        engine=arguments.detector_engine,
        engine_options=EngineOptions(threads=arguments.threads),
    )
    return open_pipeline(
        arguments.bundle,
        arguments.engine,
        arguments.detector,
        engine_order=arguments.engine_order,
        engine_options=engine,
        detector_options=detector,
        tracker=Tracker(smooth=arguments.smooth),
        prior=arguments.prior,
        # A face that is first searched for two frames after it came would be seen in those two.
        detect_every=1 if arguments.privacy else arguments.detect_every or DETECT_EVERY,
    )


def sinks(arguments: argparse.Namespace, sources: list[Source], labels: tuple[str, ...]) -> list[Sink]:
    """The sinks that the settings ask for; ``sources`` are all pictures or, with --save, one video."""
    chosen: list[Sink] = []
    if arguments.json:
        chosen.append(JsonLinesSink(arguments.json))
    if arguments.csv:
        chosen.append(CsvSink(arguments.csv, labels))
    if "-" not in (arguments.json, arguments.csv):
        chosen.append(TableSink())
    if arguments.save and all(source.stills for source in sources):
        single = sum(source.total for source in sources) == 1 and not arguments.save.is_dir()
        chosen.append(PictureSink(arguments.save, arguments.privacy, single and bool(arguments.save.suffix)))
    elif arguments.save:
        chosen.append(VideoSink(arguments.save, sources[0].rate, arguments.privacy))
    return chosen


def _read(config: Path) -> dict[str, Any]:
    try:
        table = json.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read '{config}': {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"'{config}' is not JSON: {error}") from error
    if not isinstance(table, dict) or table.pop("schema", None) != SCHEMA:
        raise UsageError(f"'{config}': schema must be {SCHEMA}")
    for key, value in table.items():
        if key not in KEYS:
            raise UsageError(f"'{config}': unknown key '{key}'; valid keys: schema, {', '.join(KEYS)}")
        wanted = KEYS[key][1]
        if not isinstance(value, wanted) and not (wanted is float and isinstance(value, int)):
            raise UsageError(f"'{config}': '{key}' is {value!r}, and must be a {wanted.__name__}")
    return table


def _engine_settings(table: dict[str, Any], where: str) -> dict[str, Setting]:
    for name, value in table.items():
        if not isinstance(value, (str, int, float)):
            raise UsageError(
                f"'{where}': engine_settings: '{name}' is {value!r}, "
                "and must be text, a number, true or false"
            )
    return table


def _apply_sinks(arguments: argparse.Namespace, sinks: list[Any], where: str) -> None:
    """ "jsonl:PATH" and "csv:PATH", "-" being standard output."""
    for sink in sinks:
        kind, _, target = str(sink).partition(":")
        if kind not in ("jsonl", "csv") or not target:
            raise UsageError(f"'{where}': unknown sink '{sink}': choose jsonl:PATH, csv:PATH")
        name = "json" if kind == "jsonl" else "csv"
        if getattr(arguments, name) is None:
            setattr(arguments, name, target)
