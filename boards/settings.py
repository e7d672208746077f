"""What the user may choose for a board beside its bundle, checked before anything is gathered or sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from boards import systemd_unit
from boards.errors import UsageError
from edge.sinks.table import SINKS


@dataclass(frozen=True)
class Settings:
    """What the user may choose beside the board and the bundle; empty means the profile's choice."""

    source: str = ""
    sinks: tuple[str, ...] = ("jsonl:-",)
    detector: str = "haar"
    detector_model: Path | None = None
    own_wheels: tuple[Path, ...] = ()
    wheelhouse: Path | None = None
    offline: bool = False


def check_settings(settings: Settings) -> None:
    """Refuse what the runtime or its sandbox would refuse at power-on. Raises UsageError."""
    for sink in settings.sinks:
        kind, _, place = sink.partition(":")
        if kind not in SINKS or not SINKS[kind].named or not place:
            known = ", ".join(f"{kind}:PATH" for kind, sink in SINKS.items() if sink.named)
            raise UsageError(f"unknown sink '{sink}': choose {known} (PATH '-': the journal)")
        if place == "-" or systemd_unit.addresses("", [sink]):
            continue
        if ".." in Path(place).parts or Path(systemd_unit.STATE) not in Path(place).parents:
            raise UsageError(f"sink '{sink}': the service may write below {systemd_unit.STATE} only")
    if settings.detector == "yunet" and settings.detector_model is None:
        raise UsageError("detector yunet needs its weights: give the .onnx file with --detector-model")
    if settings.detector_model and not settings.detector_model.is_file():
        raise UsageError(f"there is no file '{settings.detector_model}' for --detector-model")
