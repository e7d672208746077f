from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edge.errors import RecipeInvalid
from quantize import recipe
from quantize.builders.table import BUILDERS

GOOD = 'schema = 1\nname = "mine"\nengine = "onnx"\n'


def test_every_built_in_recipe_and_ladder_loads_and_is_for_an_engine_that_has_a_builder() -> None:
    recipes = [recipe.load(name) for name in recipe.built_in()]
    ladders = [recipe.load_ladder(name) for name in recipe.built_in(recipe.LADDERS)]
    assert {each.name for each in recipes} == set(recipe.built_in())
    assert {each.engine for each in recipes} <= set(BUILDERS)
    assert "default" in {each.name for each in ladders}
    assert {engine for ladder in ladders for engine in ladder.engines} == set(BUILDERS)


def test_a_recipe_keeps_its_text_and_is_known_by_its_digest() -> None:
    text = GOOD + '[quantize]\nkeep_float = ["first"]\n[calibration]\npercentile = 99\n'
    read = recipe.parse(text, Path("mine.toml"))
    assert read.quantize.keep_float == ("first",)
    assert read.calibration.percentile == 99.0
    assert read.sha256 == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("schema = 1\nname =", "is not TOML"),
        ("schema = 2\n", "schema 2 is not 1"),
        ("schema = 1\nengine = 'onnx'", "key 'name' is missing"),
        (GOOD + "speed = 3", "unknown key 'speed'; valid keys: name, engine"),
        (GOOD + "quantize = 3", "quantize: 3 stands where a table of settings belongs"),
        (GOOD + "[quantize]\nbits = 4", "unknown key 'bits'; valid keys: activations, per_channel"),
        (GOOD + "[quantize]\nper_channel = 1", "'per_channel' is 1, and must be true or false"),
        (
            GOOD + "[quantize]\nactivations = 'int4'",
            "'activations' is 'int4', and must be uint8, int8, int16",
        ),
        (GOOD + "[quantize]\nkeep_float = 'first'", "'keep_float' is 'first', and must be a list"),
        (GOOD + "[calibration]\nfaces = 0", "'faces' is 0, and must be 8 to 100000"),
        (GOOD + "[calibration]\nfaces = true", "'faces' is True, and must be a whole number"),
        (GOOD + "[calibration]\npercentile = 101.0", "'percentile' is 101.0, and must be 50 to 100"),
    ],
)
def test_a_bad_recipe_is_refused_in_one_sentence(text: str, said: str) -> None:
    with pytest.raises(RecipeInvalid) as caught:
        recipe.parse(text, Path("mine.toml"))
    assert said in str(caught.value)
    assert "mine.toml" in str(caught.value)


def test_a_setting_that_an_engine_cannot_honour_is_refused_with_those_it_can() -> None:
    read = recipe.parse(GOOD + "[calibration]\nmethod = 'percentile'", Path("mine.toml"))
    read.refuse_unsupported(per_channel=(True,))
    with pytest.raises(RecipeInvalid, match=r"engine 'onnx' has no method = 'percentile'; valid: 'minmax'"):
        read.refuse_unsupported(method=("minmax",))


def test_a_ladder_names_recipes_beside_it_before_built_in_ones(tmp_path: Path) -> None:
    (tmp_path / "onnx-minmax.toml").write_text(GOOD, encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(
        'schema = 1\nname = "l"\n[gate]\ndrop = 2\n[engines]\nonnx = ["onnx-minmax", "onnx-percentile"]\n',
        encoding="utf-8",
    )
    ladder = recipe.load_ladder(str(path))
    assert [each.name for each in ladder.engines["onnx"]] == ["mine", "onnx-percentile"]
    assert ladder.gate.drop == 2.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('schema = 1\nname = "l"\n', "'engines' must name recipes per engine"),
        ('schema = 1\nname = "l"\n[engines]\nonnx = []\n', "'engines.onnx' must be a list of recipes"),
        ('schema = 1\nname = "l"\n[engines]\nonnx = ["none-such"]\n', "no recipe 'none-such': give a .toml"),
        ('schema = 1\nname = "l"\n[engines]\ntflite = ["onnx-minmax"]\n', "is for 'onnx', not 'tflite'"),
        (
            'schema = 1\nname = "l"\n[gate]\nagreement = 2\n[engines]\nonnx = ["onnx-minmax"]',
            "'agreement' is 2.0, and must be 0 to 1",
        ),
    ],
)
def test_a_bad_ladder_is_refused_in_one_sentence(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "l.toml").write_text(text, encoding="utf-8")
    with pytest.raises(RecipeInvalid) as caught:
        recipe.load_ladder(str(tmp_path / "l.toml"))
    assert said in str(caught.value)


def test_an_unknown_ladder_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RecipeInvalid, match=r"no ladder 'steep': give a .toml file or one of default"):
        recipe.load_ladder("steep")
