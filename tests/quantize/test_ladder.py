"""The gate and the climb, with real quantizations of a real network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from edge.bundle import Bundle
from edge.errors import EngineUnknown
from measure.race import Race
from quantize import accuracy
from quantize.builder import Float
from quantize.gate import objections
from quantize.ladder import Setting, climb, sensitivity
from quantize.network import onnx_graph
from quantize.network.export import Exported
from quantize.network.source import Source
from quantize.prepare.calibrate import Splits
from quantize.proof.build_record import Change
from quantize.recipe import Gate, Recipe, SensitivityRecipe, parse
from quantize.sensitivity import worst
from quantize.workspace import Workspace
from tests.quantize.conftest import QUICK
from tests.train import make

OPEN = Gate(drop=100, agreement=0, ratio=1000)


def recipe(name: str, settings: str = "", engine: str = "onnx") -> Recipe:
    text = QUICK.format(engine=engine, settings=settings).replace('"quick"', f'"{name}"')
    return parse(text, Path(f"{name}.toml"))


@pytest.fixture
def setting(source: Source, exported: Exported, splits: Splits, start: Bundle, tmp_path: Path) -> Setting:
    network = Float("tiny", exported, source.input)
    return Setting(
        source,
        network,
        start,
        splits.train,
        splits.public,
        Workspace(tmp_path / "work", {}),
        1,
        SensitivityRecipe(faces=28),
    )


def race(ratio: float) -> Race:
    return Race(1, 1, 1.0, 1.0, 1.0, ratio, ratio, ratio, ratio, 0.0, True, (ratio,))


@pytest.mark.parametrize(
    ("change", "ratio", "said"),
    [
        (Change(0.5, 0.95, "fear", 1.0), 1.0, []),
        (Change(-2.0, 1.0, "fear", 0.0), 0.5, []),
        (Change(0.51, 0.95, "fear", 1.0), 1.0, ["accuracy drops 0.51 points, over 0.50"]),
        (Change(0.0, 0.94, "fear", 1.0), 1.0, ["94.0% of faces keep their answer, under 95.0%"]),
        (Change(0.0, 1.0, "fear", 1.0), 1.25, ["int8 takes 1.25 of float's time, over 1.00"]),
    ],
)
def test_the_gate_says_what_it_shuts_for(change: Change, ratio: float, said: list[str]) -> None:
    assert objections(change, race(ratio), Gate()) == said


def test_a_change_is_counted_face_by_face() -> None:
    faces = make.face_set(8, 1)
    right = np.eye(7)[faces.labels]
    wrong = right.copy()
    wrong[0] = np.eye(7)[(faces.labels[0] + 1) % 7]
    found = accuracy.change(right, wrong, faces, ("a", "b", "c", "d", "e", "f", "g"))
    assert found.drop == pytest.approx(12.5)
    assert found.agreement == pytest.approx(7 / 8)
    assert found.worst_drop > 0


def test_the_first_rung_that_passes_ships_and_the_rest_is_not_tried(setting: Setting) -> None:
    found = climb("onnx", (recipe("one"), recipe("two", "per_channel = false")), OPEN, setting)
    assert found.passed and [rung.recipe.name for rung in found.rungs] == ["one"]
    assert found.shipped.built.precision == "int8"
    assert found.rungs[0].race is not None and found.rungs[0].race.ratio > 0
    assert 10 < found.shipped.peak_rss_mib < 500


def test_a_rung_that_does_not_build_is_recorded_and_the_next_is_tried(setting: Setting) -> None:
    rungs = (recipe("broken", 'keep_float = ["nowhere"]'), recipe("good"))
    found = climb("onnx", rungs, OPEN, setting)
    assert found.passed and found.shipped.recipe == rungs[1]
    assert found.rungs[0].objections == ("keep_float: no layer is called 'nowhere'",)
    assert found.rungs[0].candidate is None


def test_where_nothing_passes_the_float_model_ships_and_says_so(setting: Setting) -> None:
    found = climb("onnx", (recipe("one"),), Gate(drop=100, agreement=0, ratio=0.0001), setting)
    assert not found.passed and found.shipped is found.plain
    assert found.shipped.built.precision == "fp32"
    assert "of float's time, over 0.00" in found.rungs[0].objections[0]


def test_a_mixed_rung_keeps_more_of_the_worst_layers_in_float_and_says_which(setting: Setting) -> None:
    """Nothing passes this gate: all variants are tried, and each is a recipe that can be read again."""
    mixed = recipe("mix", "\n[mixed]\nstep = 1\nlimit = 2")
    found = climb("onnx", (mixed,), Gate(drop=-0.0, agreement=1.0, ratio=0.0), setting)
    order = worst(sensitivity(setting))
    assert [rung.recipe.name for rung in found.rungs] == ["mix-1", "mix-2"]
    assert [rung.recipe.quantize.keep_float for rung in found.rungs] == [(order[0],), tuple(order[:2])]
    assert setting.work.reused.count("sensitivity") == 1
    for rung in found.rungs:
        assert rung.candidate is not None
        again = parse(rung.recipe.text, Path("again.toml"))
        assert again == rung.recipe and again.mixed is None
        model = onnx.load_from_string(rung.candidate.built.parts[".onnx"])
        weights = onnx_graph.constants(model)
        assert all(f"{layer}.weight" in weights for layer in rung.recipe.quantize.keep_float)
        assert "classifier.1.weight" not in weights or "classifier.1" in rung.recipe.quantize.keep_float


def test_no_training_is_tried_where_only_the_speed_was_missing(setting: Setting) -> None:
    rungs = (recipe("one"), recipe("qat", "\n[qat]\nsteps = 1"))
    found = climb("onnx", rungs, Gate(drop=100, agreement=0, ratio=0.0001), setting)
    assert [rung.recipe.name for rung in found.rungs] == ["one", "qat"]
    assert found.rungs[1].objections[0].startswith("not tried") and found.rungs[1].candidate is None


def test_a_second_climb_goes_on_from_what_the_first_finished(setting: Setting, tmp_path: Path) -> None:
    first = climb("onnx", (recipe("one"),), OPEN, setting)
    assert setting.work.reused == []
    again = climb("onnx", (recipe("one"),), OPEN, setting)
    assert len(setting.work.reused) == 7
    assert again.shipped.built == first.shipped.built and again.rungs[0].race == first.rungs[0].race
    np.testing.assert_array_equal(again.shipped.public, first.shipped.public)


def test_an_engine_that_nothing_builds_for_is_refused_by_name(setting: Setting) -> None:
    with pytest.raises(EngineUnknown, match="nothing builds for engine 'onxx': choose onnx"):
        climb("onxx", (), OPEN, setting)
