"""Which engine runs a bundle on a board: the profile's order meets the bundle's files and the facts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from boards.bundle import Bundle
from boards.errors import BoardRefused
from boards.facts import Facts
from boards.match import python_is_enough, python_refusal
from boards.profile import EngineChoice, Profile

SCHEMA = 1
LOG_MB = 64  # the newest file of readings and the one before it: a card must not fill up


@dataclass(frozen=True)
class Candidate:
    """One engine of the profile, and why it is or is not used."""

    engine: EngineChoice
    usable: bool
    reason: str
    then_type: str = ""


@dataclass(frozen=True)
class Plan:
    """The engines in the profile's order, and the first that can be used."""

    profile: Profile
    bundle: Bundle
    candidates: tuple[Candidate, ...]

    def chosen(self) -> EngineChoice:
        """The engine that will run. Raises BoardRefused where there is none."""
        for candidate in self.candidates:
            if candidate.usable:
                return candidate.engine
        reasons = "; ".join(
            f"{one.engine.name} on {one.engine.device}: {one.reason}" for one in self.candidates
        )
        raise BoardRefused(
            f"no engine of {self.profile.id} can run bundle '{self.bundle.name}' ({reasons}): "
            f"build a file for one of its engines with ferlite-quantize"
        )

    def as_json(self) -> dict[str, Any]:
        """The plan as plain data. Raises BoardRefused where no engine can be used."""
        chosen = self.chosen()
        return {
            "board": self.profile.id,
            "bundle": self.bundle.name,
            "engine": chosen.name,
            "device": chosen.device,
            "precision": chosen.precision,
            "package": chosen.library.package,
            "threads": self.profile.deploy.threads,
            "candidates": [asdict(candidate) for candidate in self.candidates],
        }


def plan(profile: Profile, bundle: Bundle, facts: Facts | None = None, own_wheels: bool = False) -> Plan:
    """Weigh the profile's engines. ``facts`` None: the board is not at hand, so what it must have is assumed.

    ``own_wheels``: the user brings the wheels that PyPI lacks.
    """
    if not any(python_is_enough(image.python) for image in profile.image):
        raise BoardRefused(f"{profile.name}: {python_refusal(profile.image[0].python)}")
    return Plan(profile, bundle, tuple(_weigh(one, bundle, facts, own_wheels) for one in profile.engine))


def _weigh(engine: EngineChoice, bundle: Bundle, facts: Facts | None, own_wheels: bool) -> Candidate:
    if engine.name not in bundle.engines:
        return Candidate(
            engine, False, f"the bundle has no {engine.name} file (it has {', '.join(bundle.engines)})"
        )
    if engine.own_wheel and not own_wheels:
        return Candidate(
            engine, False, f"needs {engine.needs}", "give the folder of that wheel with --wheels"
        )
    if engine.device == "NPU" and facts is not None:
        return _weigh_npu(engine, bundle, facts)
    needs = f"; needs {engine.needs}" if engine.needs else ""
    return Candidate(engine, True, f"the bundle has its file{_precision_note(engine, bundle)}{needs}")


def _precision_note(engine: EngineChoice, bundle: Bundle) -> str:
    """What to say where the bundle's file is not what this device is best at."""
    there = bundle.precisions.get(engine.name)
    if engine.precision != "int8" or there in (None, "int8"):
        return ""
    return f", but in {there}: an int8 one would be faster here"


def _weigh_npu(engine: EngineChoice, bundle: Bundle, facts: Facts) -> Candidate:
    npus = [one for one in facts.accelerators if one.kind.startswith("Intel NPU")]
    if not npus:
        return Candidate(engine, False, "no NPU on the PCI bus", "enable the NPU in the firmware's set-up")
    if not any(one.driver for one in npus):
        return Candidate(
            engine, False, "the NPU has no driver", "sudo modprobe intel_vpu (kernel 6.6 or newer)"
        )
    if not any(one.node for one in npus):
        return Candidate(engine, False, "the NPU has no device file under /dev/accel", "sudo udevadm trigger")
    note = _precision_note(engine, bundle)
    return Candidate(engine, True, f"the bundle has its file{note} and the NPU has its driver")


def edge_config(
    chosen: Plan,
    *,
    bundle: str,
    source: str = "",
    sink: tuple[str, ...] = ("jsonl:-",),
    detector: str = "haar",
    detector_model: str = "",
) -> dict[str, Any]:
    """edge.json as the runtime reads it; this is the only place that writes its keys."""
    engine = chosen.chosen()
    order = [one.engine.name for one in chosen.candidates if one.usable]
    return {
        "schema": SCHEMA,
        "source": source or chosen.profile.camera.source,
        "engine": engine.name,
        "engine_order": list(dict.fromkeys(order)),
        "threads": chosen.profile.deploy.threads,
        # ONNX Runtime has providers where other libraries have devices.
        "device": engine.provider or engine.device,
        **({"engine_settings": dict(engine.settings)} if engine.settings else {}),
        "bundle": bundle,
        "detector": detector,
        **({"detector_model": detector_model} if detector_model else {}),
        "sink": list(sink),
        **({"sink_limit_mb": LOG_MB} if any(not spec.endswith(":-") for spec in sink) else {}),
    }


def to_text(config: dict[str, Any]) -> str:
    """edge.json's text, the same bytes for the same settings."""
    return json.dumps(config, indent=2) + "\n"
