from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import RecipeInvalid
from tests.train import make
from train import backbones, recipe
from train.checkpoint import load_run, read
from train.spotter import learn

WEIGHTS = Path(recipe.__file__).parent / "weights"
HEAD = 'schema = 1\nname = "x"\n'
MODEL = '[model]\nbackbone = "mobilenet_v2"\ninput_size = 48\n'
TRAIN = "[train]\nepochs = 2\n"


@pytest.mark.parametrize("name", recipe.built_in())
def test_every_built_in_recipe_reads_and_builds_its_network(name: str) -> None:
    chosen = recipe.load(name)
    # A later stage of a model is named MODEL-STAGE; what it makes is still MODEL.
    assert chosen.name == name.partition("-")[0]
    network = backbones.build(chosen.model, 7)
    # A recipe that builds next to nothing is a mistake; systems that were cut short are narrow on purpose.
    least = 100_000 if chosen.system.name == "plain" else 30_000
    assert sum(each.numel() for each in network.parameters()) > least


@pytest.mark.parametrize("path", sorted(WEIGHTS.glob("*.pt.xz")), ids=lambda path: path.name)
def test_weights_that_lie_in_the_repository_can_be_read(path: Path) -> None:
    text = read(path, ("recipe", "model"))["recipe"]
    if path.name == "spotter.pt.xz":
        assert learn.parse(text, path.name).network
    else:
        assert load_run(path).recipe.text == text


def test_a_recipe_of_before_a_second_data_set_could_be_several_still_reads() -> None:
    text = make.RECIPE.replace("[data]", '[data]\nsecond_labels = "noisy"')
    assert recipe.parse(text, "old").data.second_labels == ("noisy",)
    with pytest.raises(RecipeInvalid, match="second_labels"):
        recipe.parse(text.replace("noisy", "unsure"), "old")


def test_there_are_built_in_recipes() -> None:
    assert "mobilenetv2" in recipe.built_in()


def test_what_is_not_said_keeps_its_default_and_whole_numbers_serve_as_floats() -> None:
    read = recipe.parse(HEAD + MODEL + "width = 1\n[augment]\nrotate = 15\n" + TRAIN, "x")
    assert read.model.width == 1.0
    assert type(read.augment.rotate) is float
    assert read.augment.flip is True
    assert read.train.momentum == 0.9


def test_a_recipe_is_identified_by_the_digest_of_its_text() -> None:
    text = HEAD + MODEL + TRAIN
    assert recipe.parse(text, "x").sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert recipe.parse(text + "# more\n", "x").sha256 != recipe.parse(text, "x").sha256


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + "colour = 1\n" + MODEL + TRAIN, ["unknown key 'colour'", "name, model"]),
        (
            HEAD + MODEL + "depth = 3\n" + TRAIN,
            ["x: model", "unknown key 'depth'", "backbone, input_size, width"],
        ),
        (HEAD + MODEL + TRAIN + "[augment]\nrotat = 1\n", ["unknown key 'rotat'", "rotate"]),
        (HEAD + MODEL + TRAIN + "[data]\nMean = 1\n", ["unknown key 'Mean'", "mean, std"]),
        (HEAD + MODEL, ["x: train", "'epochs' is missing"]),
        ('schema = 2\nname = "x"\n' + MODEL + TRAIN, ["schema 2 is not 1"]),
        ('name = "x"\n' + MODEL + TRAIN, ["schema None is not 1"]),
        ("schema = 1\n" + MODEL + TRAIN, ["key 'name' is missing"]),
        ("schema = 1\nname = 7\n" + MODEL + TRAIN, ["'name' is 7, and must be text"]),
        (HEAD + 'model = "b0"\n' + TRAIN, ["x: model", "'b0' stands where a table of settings belongs"]),
        (
            HEAD + MODEL + '[train]\nepochs = "two"\n',
            ["x: train: 'epochs' is 'two', and must be a whole number"],
        ),
        (HEAD + MODEL + "[train]\nepochs = 2.5\n", ["'epochs' is 2.5, and must be a whole number"]),
        (HEAD + MODEL + "[train]\nepochs = true\n", ["'epochs' is True, and must be a whole number"]),
        (HEAD + MODEL + "[train]\nepochs = 0\n", ["'epochs' is 0, and must be 1 to"]),
        (HEAD + MODEL + TRAIN + "lr = -0.1\n", ["'lr' is -0.1, and must be 1e-08 to 100"]),
        (HEAD + MODEL + TRAIN + "lr = nan\n", ["'lr' is nan, and must be a number"]),
        (HEAD + MODEL + TRAIN + 'optimizer = "lamb"\n', ["'optimizer' is 'lamb', and must be sgd, adamw"]),
        (HEAD + MODEL + "strides = 2\n" + TRAIN, ["'strides' is 2, and must be a list"]),
        (HEAD + MODEL + "strides = [2, 3]\n" + TRAIN, ["'strides' is 3, and must be 1 to 2"]),
        (HEAD + MODEL + 'strides = ["a"]\n' + TRAIN, ["'strides' is 'a', and must be a whole number"]),
        (HEAD + MODEL + TRAIN + "[augment]\nflip = 1\n", ["'flip' is 1, and must be true or false"]),
        ("schema = ", ["is not TOML"]),
    ],
)
def test_a_wrong_recipe_is_refused_in_one_sentence(text: str, words: list[str]) -> None:
    with pytest.raises(RecipeInvalid) as caught:
        recipe.parse(text, "x")
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_a_recipe_or_refused(text: str) -> None:
    with pytest.raises(RecipeInvalid):
        recipe.parse(text, "x")


@given(
    st.sampled_from(["batch_size", "lr", "ema", "seed", "warmup_epochs"]),
    st.one_of(st.integers(-10, 10**7), st.floats(), st.booleans()),
)
def test_any_training_value_is_taken_as_it_is_or_refused(key: str, value: float) -> None:
    written = str(value).lower() if isinstance(value, bool | float) else str(value)
    try:
        read = recipe.parse(f"{HEAD}{MODEL}{TRAIN}{key} = {written}\n", "x")
    except RecipeInvalid:
        assert not (type(value) is int and key == "batch_size" and 2 <= value <= 65536)
        assert not (type(value) is float and key == "ema" and 0 <= value <= 1)
        return
    taken = getattr(read.train, key)
    assert taken == value
    assert not isinstance(value, bool)
    assert type(taken) is (int if key in ("batch_size", "seed") else float)


def test_a_recipe_that_is_not_there_lists_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(RecipeInvalid, match=r"no recipe 'resnet'.*mobilenetv2"):
        recipe.load("resnet")
    with pytest.raises(RecipeInvalid, match="no recipe"):
        recipe.load(str(tmp_path / "none.toml"))


def test_a_recipe_file_of_other_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(b'name = "caf\xe9"')
    with pytest.raises(RecipeInvalid, match=r"latin\.toml' cannot be read"):
        recipe.load(str(path))


def test_a_recipe_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(make.RECIPE)
    assert recipe.load(str(path)).train.epochs == 3
