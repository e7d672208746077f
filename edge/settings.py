"""The settings of ``ferlite run``: one frozen dataclass, filled from its defaults, a file and what was typed.

A new setting is one field here: its default, its range, what --help says of it, and the group it is shown in.
The command line, the keys that edge.json may have and the checks of both follow from the field; what it does,
``edge.run`` or the sinks say.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, get_args, get_type_hints

from edge import strict
from edge.commands import command
from edge.detectors.table import DETECTORS
from edge.engines.table import ENGINES
from edge.errors import UsageError
from edge.files import read_json
from edge.sinks.table import SINKS

SCHEMA = 1
RULE = "rule"  # of --spotter: no network
GROUPS = {
    "model": "",
    "faces": "",
    "voice": "off unless asked for; nothing that is heard is kept",
    "moments": "off unless asked for",
    "output": "a table, unless --json, --csv or --sink is given",
}
# What a file says of these holds for the engine, or the device, that it names itself.
_OF_ENGINE, _OF_DEVICE = ("device", "engine_settings"), ("engine_settings",)


def _said(
    text: str, group: str, metavar: str | None = None, span: tuple[float, float] | None = None
) -> dict[str, Any]:
    """A field's metadata: its option's help, where that is shown, and the range of its values."""
    about: dict[str, Any] = {"text": text, "group": group, "metavar": metavar}
    return about | (strict.within(*span) if span else {})


@dataclass(frozen=True)
class RunSettings:
    """What ``ferlite run`` is to do; fields without help have no option of their own.

    ``engine_order`` is the order in which "auto" tries engines. 0 and "" leave a choice to whom it concerns.
    """

    source: tuple[str, ...] = ()
    bundle: str = field(default="", metadata=_said("folder, .zip or shipped name", "model"))
    prior: str = field(
        default="",
        metadata=_said(
            "how common expressions are: a name (ferlite info) or a .json file", "model", "NAME|FILE"
        ),
    )
    profile: Path | None = field(
        default=None, metadata=_said("of the person who is read, from --learn-profile", "model", "FILE")
    )
    require_signature: Path | None = field(
        default=None, metadata=_said("run only bundles that this public key has signed", "model", "KEY")
    )
    engine: str = field(
        default="auto", metadata=_said(f"auto, {', '.join(ENGINES)} (default: auto)", "model")
    )
    engine_order: tuple[str, ...] = ()
    device: str = field(default="", metadata=_said("CPU, GPU, NPU, AUTO; CUDA or TensorRT for onnx", "model"))
    engine_settings: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    threads: int = field(
        default=0, metadata=_said("engine threads (default: its own)", "model", "N", (0, 256))
    )
    overlap: int = field(
        default=0,
        metadata=_said(
            "steps of a video at the same time, 1 for none (default: one a processor)", "model", "N", (0, 3)
        ),
    )
    isolate: bool = field(
        default=False,
        metadata=_said("run the engine in a process of its own, started anew if it hangs or dies", "model"),
    )
    smooth: float = field(
        default=0.4,
        metadata=_said(
            "time constant of smoothing in videos, 0 for none (default: 0.4)", "model", "SECONDS", (0, 3600)
        ),
    )
    detector: str = field(
        default="auto", metadata=_said(f"auto, {', '.join(DETECTORS)} (default: auto)", "faces")
    )
    detector_model: Path | None = field(default=None, metadata=_said("its weights", "faces", "FILE"))
    detector_engine: str = field(default="auto", metadata=_said("the engine it runs in", "faces", "ENGINE"))
    detect_size: int = field(
        default=0,
        metadata=_said(
            "longer side searched for faces (default: 640, in videos 384)", "faces", "PX", (0, 4096)
        ),
    )
    detect_every: int = field(
        default=0,
        metadata=_said(
            "search every Nth frame of a video (default: when it asks for it)", "faces", "N", (0, 1000)
        ),
    )
    pace: float = field(
        default=0.5,
        metadata=_said(
            "read a face that does not change so often, 0 for in every frame (default: 0.5)",
            "faces",
            "SECONDS",
            (0, 3600),
        ),
    )
    detect_score: float | None = field(
        default=None, metadata=_said("least score of a face", "faces", "0-1", (0, 1))
    )
    voice: str = field(
        default="",
        metadata=_said(
            "hear the one person in sight too: a .wav, - (16 kHz, 16 bits) or alsa:NAME", "voice", "SOUND"
        ),
    )
    voice_bundle: str = field(
        default="", metadata=_said("folder, .zip or shipped name (default: voice)", "voice", "BUNDLE")
    )
    moments: bool = field(
        default=False,
        metadata=_said(
            "spot movements that come and go within half a second, at 50 frames a second", "moments"
        ),
    )
    spotter: str = field(
        default="",
        metadata=_said(
            "network that spots them: folder, .zip, name, or rule (default: spotter)",
            "moments",
            "BUNDLE",
        ),
    )
    timeline: Path | None = field(
        default=None, metadata=_said("draw what --moments spotted, .svg or .png", "moments", "FILE")
    )
    sink: tuple[str, ...] = ()
    sink_limit_mb: int = field(
        default=0,
        metadata=_said(
            "begin a --sink's file anew at this size, keeping the last as FILE.1", "output", "N", (0, 100_000)
        ),
    )
    save: Path | None = field(
        default=None, metadata=_said("annotated picture, folder of them, or video", "output", "PATH")
    )
    learn_profile: Path | None = field(
        default=None,
        metadata=_said(
            "write a profile of the one person in sight, learnt at calm moments", "output", "FILE"
        ),
    )
    privacy: bool = field(
        default=False, metadata=_said("make faces unrecognisable in what is saved or served", "output")
    )
    mqtt: str = field(
        default="",
        metadata=_said("publish to a broker: mqtt://HOST or mqtts://USER@HOST:PORT/NODE", "output", "URL"),
    )
    mqtt_password: Path | None = field(
        default=None, metadata=_said("whose first line is the broker's password", "output", "FILE")
    )
    mqtt_ca: Path | None = field(
        default=None,
        metadata=_said("certificates to trust the broker by (default: the system's)", "output", "FILE"),
    )
    metrics: str = field(
        default="",
        metadata=_said("serve numbers to Prometheus (HOST 127.0.0.1 if left out)", "output", "HOST:PORT"),
    )
    most: int = field(default=0, metadata=_said("stop after N frames in all", "output", "N", (0, 1e9)))
    quiet: bool = field(default=False, metadata=_said("no remarks on standard error", "output"))
    notify: bool = field(default=False, metadata=_said("tell systemd that frames flow (sd_notify)", "output"))


def add_options(parser: argparse.ArgumentParser, only: tuple[str, ...] = ()) -> None:
    """The options of ``only`` these settings, or of all; what is not typed is not in the namespace.

    So a typed value differs from none even where it is the default, and other programs that run a pipeline
    (a benchmark) offer the same words.
    """
    kinds = get_type_hints(RunSettings)
    groups: dict[str, Any] = {}
    for each in dataclasses.fields(RunSettings):
        about = each.metadata
        if not about or (only and each.name not in only):
            continue
        group = groups.get(about["group"])
        if group is None:
            said = GROUPS[about["group"]]
            title = f"{about['group']} ({said})" if said else about["group"]
            group = groups[about["group"]] = parser.add_argument_group(title)
            if about["group"] == "output":
                _add_sinks(group)
        option = f"--{each.name.replace('_', '-')}"
        if kinds[each.name] is bool:
            group.add_argument(option, action="store_true", default=argparse.SUPPRESS, help=about["text"])
        else:
            group.add_argument(
                option,
                type=_reader(each, kinds[each.name]),
                default=argparse.SUPPRESS,
                metavar=about["metavar"],
                help=about["text"],
            )


def _add_sinks(group: Any) -> None:
    hidden = {"dest": "sink", "default": argparse.SUPPRESS}
    group.add_argument("--json", action="append_const", const="jsonl:-", help="print JSON lines", **hidden)
    group.add_argument("--csv", action="append_const", const="csv:-", help="print CSV", **hidden)
    kinds = " or ".join(f"{kind}:FILE" for kind, sink in SINKS.items() if sink.named)
    group.add_argument(
        "--sink",
        action="append",
        type=command.filled,
        metavar="KIND:FILE",
        help=f"add to a file: {kinds}; may be repeated",
        **hidden,
    )


def _reader(each: dataclasses.Field[Any], kind: Any) -> Any:
    """What turns the typed text into the field's value, and refuses what is out of its range."""
    kind = next(iter(get_args(kind)), kind)  # X | None: None is for what was not typed
    span = each.metadata.get("range")
    if span:
        return command.whole(int(span[0]), int(span[1])) if kind is int else command.number(*span)
    return (lambda text: Path(command.filled(text))) if kind is Path else command.filled


def resolve(arguments: argparse.Namespace, served: bool = False) -> RunSettings:
    """The settings that hold: the default, over it the --config file, over it what was typed.

    A typed engine comes without the file's device and engine settings, a typed device without the file's
    engine settings: they were meant for another. ``served``: others see the picture, so that there is
    something to hide from them. Raises UsageError.
    """
    typed = {name: value for name, value in vars(arguments).items() if name in _NAMES}
    for name in ("source", "sink"):
        if name in typed:
            typed[name] = tuple(typed[name])
    if not typed.get("source"):
        typed.pop("source", None)
    config = getattr(arguments, "config", None)
    settings = from_file(config) if config else RunSettings()
    foreign = _OF_ENGINE if "engine" in typed else _OF_DEVICE if "device" in typed else ()
    settings = dataclasses.replace(settings, **{**{name: _DEFAULTS[name] for name in foreign}, **typed})
    _check(settings)
    if settings.privacy and not (settings.save or served):
        raise UsageError("--privacy changes what --save writes: add --save PATH")
    return settings


def from_file(path: Path) -> RunSettings:
    """The settings that a file such as a deployed board's edge.json gives. Raises UsageError."""
    table = read_json(path, UsageError)
    if not isinstance(table, dict) or table.pop("schema", None) != SCHEMA:
        raise UsageError(f"'{path}': schema must be {SCHEMA}")
    if isinstance(table.get("source"), str):
        table["source"] = [table["source"]]
    # "" is how a file leaves a choice open.
    table = {key: value for key, value in table.items() if value != ""}
    return strict.fill(RunSettings, table, f"'{path}'", UsageError)


def _check(settings: RunSettings) -> None:
    """Raise UsageError for settings that are each right and together are not."""
    if settings.engine_settings and settings.engine == "auto":
        raise UsageError("engine_settings belong to one engine: name it with engine")
    if not settings.mqtt and (settings.mqtt_password or settings.mqtt_ca):
        raise UsageError("--mqtt-password and --mqtt-ca are for a broker: add --mqtt URL")
    _check_voice(settings)
    if settings.moments and settings.isolate:
        raise UsageError("--moments reads faces in this process: it does not go with --isolate")
    if settings.spotter and not settings.moments:
        raise UsageError("--spotter spots what --moments asks for: add --moments")
    if settings.timeline and not settings.moments:
        raise UsageError("--timeline draws what --moments spots: add --moments")
    if settings.timeline and settings.timeline.suffix.lower() not in (".svg", ".png"):
        raise UsageError(f"--timeline is '{settings.timeline}', and must end with .svg or .png")
    if settings.privacy and settings.detect_every > 1:
        raise UsageError(
            f"--privacy searches every frame: it does not go with --detect-every {settings.detect_every}"
        )
    if 0 < settings.detect_size < 64:
        raise UsageError(f"--detect-size is {settings.detect_size}, and must be 64 to 4096 pixels")
    for spec in settings.sink:
        kind, _, target = spec.partition(":")
        if kind not in SINKS or not SINKS[kind].named or not target:
            known = ", ".join(f"{kind}:FILE" for kind, sink in SINKS.items() if sink.named)
            raise UsageError(f"unknown sink '{spec}': choose {known}, FILE being - for standard output")


def _check_voice(settings: RunSettings) -> None:
    if settings.voice == "-" and "-" in settings.source:
        raise UsageError("frames and --voice cannot both be standard input: give one of them a file")
    if settings.voice_bundle and not settings.voice:
        raise UsageError("--voice-bundle reads a voice: add --voice SOUND")
    if settings.voice and settings.learn_profile:
        raise UsageError("--learn-profile learns what the face alone says: it does not go with --voice")


_NAMES = {each.name for each in dataclasses.fields(RunSettings)}
_DEFAULTS = {
    each.name: each.default if each.default is not MISSING else {} for each in dataclasses.fields(RunSettings)
}
