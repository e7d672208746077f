"""A trained spotter network to a bundle of kind "spotter": exported, made int8, held against the network.

What int8 costs is judged by the movements that are spotted on the people who were chosen by (``climb``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge import engine as engines
from edge.bundle import Bundle
from edge.bundle_files import writer
from edge.bundle_files.sections import AccuracyRecord, InputSpec, SpotRule
from edge.engine import EngineOptions, ModelFile
from edge.errors import DataInvalid
from edge.files import read_json
from edge.moments.decode import OUTPUTS
from edge.moments.history import RATE, ROWS
from edge.moments.network import NetworkSpotter, ask, told_of
from edge.moments.regions import REGIONS, RULE, Floats
from edge.strict import fill
from pages.card import FILE
from quantize.builder import Built, Float
from quantize.kinds.climb import Climb
from quantize.kinds.shared import face_rules, parts_of, sha256
from quantize.network.export import export
from quantize.network.source import Source
from train.spotter import judge
from train.spotter.change import Drawer
from train.spotter.cli import CHOOSE, LEARN, RECORD
from train.spotter.learn import LEARNT, Learnt, load_learnt
from train.spotter.motion_set import MotionSet, read
from train.spotter.recipe import MEAN, STD
from train.spotter.tones import right_and_wrong

MOST_LOST = 0.01  # of F1 that int8 may lose


class Asker:
    """A built model in its engine, to be judged. See ``edge.moments.network.Telling``."""

    def __init__(self, built: Built, engine: str, learnt: Learnt, rule: SpotRule) -> None:
        self.window, self.told, self.rule = learnt.recipe.network.window, learnt.recipe.network.told, rule
        self._spec, self._layout = spec_of(learnt), built.layout
        self._running = engines.load(engine, ModelFile("spotter", built.parts), EngineOptions(threads=1))

    def __call__(self, levels: npt.NDArray[np.uint8]) -> Floats:
        """See ``Telling``."""
        told: Floats = told_of(ask(self._running, levels, self._spec, self._layout))[0]
        return told

    def close(self) -> None:
        """Free the engine."""
        self._running.close()


def spec_of(learnt: Learnt) -> InputSpec:
    """What the network wants to see."""
    return InputSpec(ROWS, "grey", (MEAN,), (STD,), width=learnt.recipe.network.window)


def network_of(learnt: Learnt, names: Sequence[str]) -> Float:
    """The float network as builders start from it. Raises BuildFailed."""
    recipe = learnt.recipe
    source = Source(
        recipe.name, "spotter", learnt.network, OUTPUTS, spec_of(learnt), recipe.text, recipe.sha256, ""
    )
    return Float(recipe.name, export(source, program="tflite" in names), source.input)


def climb_of(
    learnt: Learnt, films: MotionSet, others: MotionSet, network: Float, held: dict[str, Any]
) -> Climb:
    """How the ``network`` is made int8, calibrated on ``films``, and held against what it does on the
    ``others`` in float: ``held``.
    """
    rule = SpotRule(**held["spot"])
    return Climb(
        network,
        lambda many: Drawer(films, learnt.recipe)(many, np.random.default_rng(1)).levels,
        lambda built, engine: judged(built, engine, learnt, rule, others),
        lambda figures: {"f1": round(held["f1"] - figures["f1"], 4)},
        MOST_LOST,
    )


def judged(built: Built, engine: str, learnt: Learnt, rule: SpotRule, others: MotionSet) -> dict[str, Any]:
    """What ``built`` spots on the ``others`` in its engine, at 100 frames a second."""
    asker = Asker(built, engine, learnt, rule)
    try:
        return judge.measure(others, lambda: NetworkSpotter(asker))
    finally:
        asker.close()


def build(run: Path, out: Path, names: Sequence[str], command: str = "") -> dict[str, Any]:
    """Build for the engines ``names`` of the trained ``run``, judge each, write the bundle ``out``.

    The record, JSON-ready: what ``ferlite train spotter`` wrote, each engine's figures with the gate's
    verdict, and ``command``. Raises BuildFailed, DataInvalid, RecipeInvalid, StorageFailed and UsageError.
    """
    writer.refuse_output(out)
    learnt, films, others = load_learnt(run), read(run / LEARN), read(run / CHOOSE)
    trained = read_json(run / RECORD, DataInvalid)
    if not isinstance(trained, dict) or trained.get("kind") != "ferlite spotter":
        raise DataInvalid(f"'{run / RECORD}' is no record of 'ferlite train spotter'")
    if "tones" not in trained:
        raise DataInvalid(f"'{run / RECORD}' is of before tones were learnt: 'ferlite train spotter' again")
    if trained["model"]["recipe_sha256"] != learnt.recipe.sha256:
        raise DataInvalid(f"'{run / RECORD}' is of another recipe than '{run / LEARNT}': train again")
    spot = fill(SpotRule, trained["spot"], f"'{run / RECORD}': spot", DataInvalid)
    asked = judge.Asked(learnt, spot)
    held = {**judge.measure(others, lambda: NetworkSpotter(asked)), "spot": trained["spot"]}
    network = network_of(learnt, names)
    models: dict[str, Built] = {}
    record: dict[str, Any] = {
        **trained,
        "date": datetime.now(timezone.utc).date().isoformat(),
        "command": command,
        "gate": {"most_lost": MOST_LOST},
        "float": held,
        "engines": {},
    }
    climb = climb_of(learnt, films, others, network, held)
    for name in names:
        models[name], record["engines"][name] = climb(name)
    write(run, learnt, spot, models, record, out)
    return record


def write(
    run: Path,
    learnt: Learnt,
    spot: SpotRule,
    models: dict[str, Built],
    record: dict[str, Any],
    out: Path,
) -> Bundle:
    """Write the bundle ``out``. Raises StorageFailed and UsageError."""
    net, people = learnt.recipe.network, record["chosen_by"]["people"]
    about = Bundle(
        path=out,
        name=learnt.recipe.name,
        description=f"short movements, in {net.seen / RATE:g} s of what {len(REGIONS)} parts of a face do",
        labels=OUTPUTS,
        input=spec_of(learnt),
        temperature=1.0,
        files={},
        accuracy=tuple(
            AccuracyRecord(
                "made films, F1 of short movements",
                people,
                row["f1"],
                name,
                library=row["version"],
                precision=row["ships"],
                fp32_accuracy=record["float"]["f1"],
            )
            for name, row in record["engines"].items()
        ),
        made_by={
            "train": {**record["model"], "weights_sha256": sha256(run / LEARNT)},
            "recipe": learnt.recipe.text,
        },
        kind="spotter",
        spot=spot,
        **{**face_rules(), "crop": RULE},
    )
    bundle, content = writer.compose(about, parts_of(models))
    extra = {FILE: card(record).encode(), "spotter.toml": learnt.recipe.text.encode()}
    return writer.write(out, bundle, {**content, **extra})


def card(record: dict[str, Any]) -> str:
    """What the bundle is, what it was measured to do, and what it must not be used for; Markdown."""
    model, others = record["model"], record["chosen_by"]
    rows = [("rule, for comparison", record["rates"]["100"]["rule"]), ("network, float", record["float"])]
    for name, row in record["engines"].items():
        rows.append((f"{name}, {'int8' if row['ships'] == 'int8' else 'int8 (float ships)'}", row))
    lines = ["| | F1 | false a minute | apex off |", "|---|---|---|---|"]
    for name, row in rows:
        off = "" if row["apex_off_ms"] is None else f"{row['apex_off_ms']:.0f} ms"
        lines.append(f"| {name} | {row['f1']:.3f} | {row['false_a_minute']:.1f} | {off} |")
    table, tone = "\n".join(lines), "none is told."
    if record["spot"]["tones"]:
        known = right_and_wrong(record["tones"])
        tone = f"positive, negative or surprise, is read off the way that the parts go:\n{known}."
    return f"""# Short movements of a face

The motion of the parts of a face, {model["seen_s"]:g} s of it, to when a movement of up to half a second
begins, is strongest and is over, for `ferlite run --moments --spotter`. {model["parameters"]:,} weights; what
it says of a moment stands on {model["ahead_s"]:g} s after it.

**Learnt from** photographs of {record["learnt_from"]["people"]} people that were bent for a moment
(`ferlite train spotter`): {record["learnt_from"]["micro"]} short movements, beside blinks, talk, longer
movements, drift and flicker.

**Measured** at 100 frames a second on films of {others["people"]} other people, {others["micro"]} short
movements, by which it was also chosen how the network is read; docs/moments.md has people who were not.

{table}

**A tone**: {tone}

**Limits.** It never saw a film of a person. What somebody feels, or hides, is not in these events, and this
is not for any decision about a person.
"""
