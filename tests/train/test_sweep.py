"""Sweeps: what is varied, how it stops and goes on, and the table of mean and spread."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.errors import RecipeInvalid
from tests.required import absent
from tests.train import make
from train import cli, recipe, sweep
from train.verbs import options


def written(folder: Path, text: str) -> Path:
    (folder / "tiny.toml").write_text(make.RECIPE)
    (folder / "wide.toml").write_text(
        make.RECIPE.replace('"tiny"', '"wide"').replace("0.1\n[data]", "0.2\n[data]")
    )
    (folder / "sweep.toml").write_text(f"schema = 1\n{text}\n")
    return folder / "sweep.toml"


def test_every_recipe_with_every_override_and_every_seed(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        'recipes = ["tiny.toml", "wide.toml"]\nseeds = [1, 2, 3]\n'
        '[[override]]\nname = "slow"\nset = { "train.lr" = 0.001 }\n'
        '[[override]]\nname = "small"\nset = { "model.input_size" = 24, "augment.flip" = false }\n',
    )
    found = sweep.variants(sweep.load(path), tmp_path)
    assert len({each.name for each in found}) == 12
    assert [each.name for each in found[:3]] == ["tiny-slow-s1", "tiny-slow-s2", "tiny-slow-s3"]
    slow, small = found[1].recipe, found[3].recipe
    assert (slow.train.lr, slow.train.seed, slow.model.input_size) == (0.001, 2, 16)
    assert (small.train.lr, small.augment.flip, small.model.input_size) == (0.01, False, 24)
    # Its text is a recipe file that reads back as it.
    assert recipe.parse(slow.text, "again") == slow


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("recipes = []", "'recipes' must be one or more"),
        ('recipes = ["tiny.toml"]\nseeds = [1, 1]', "'seeds' must be one or more, each once"),
        ('recipes = ["tiny.toml"]\nseeds = ["a"]', "'seeds' is 'a', and must be a whole number"),
        ('recipes = ["tiny.toml"]\ncolour = 1', "unknown key 'colour'"),
        ('recipes = ["none.toml"]', "no recipe '"),
        (
            'recipes = ["tiny.toml"]\n[[override]]\nname = "a"\nset = { "train.rate" = 1 }',
            "has no setting 'train.rate'",
        ),
        ('recipes = ["tiny.toml"]\n[[override]]\nname = "a"\nset = { "train.lr" = -1 }', "'lr' is -1"),
        ('recipes = ["tiny.toml"]\n[[override]]\nname = "../a"\nset = {}', "cannot be a folder of its own"),
    ],
)
def test_a_mistake_in_the_file_is_named(text: str, says: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(RecipeInvalid) as caught:
        sweep.variants(sweep.load(path), tmp_path)
    assert says in str(caught.value)


def test_a_sweep_in_which_nothing_finished_has_a_page_that_says_why() -> None:
    page = sweep.page([sweep.RunDone("a-s1", "a", 1, "", error="no data")])
    assert "no data" in page and "nan" not in page


def test_a_runs_process_is_told_all_that_the_sweep_was_told_to_begin_with(tmp_path: Path) -> None:
    words = [
        "--init",
        "a.pt",
        "--teacher",
        "b.pt",
        "--teacher",
        "c.pt",
        "--second",
        "d.npz",
        "--second",
        "drawn.npz",
        "--soft-labels",
        "e.npz",
    ]
    words += ["--second-soft-labels", "f.npz", "--stream", "target=g.npz", "--stream", "clips=h.npz"]
    asked = cli.parser().parse_args(["sweep", "s.toml", "--data", "d", "--out", "o", *words])
    again = cli.parser().parse_args(["run", "r", "--data", "d", "--out", "o", *options.begun_with(asked)])
    for name in ("init", "soft_labels", "second_soft_labels"):
        assert getattr(again, name) == getattr(asked, name).resolve()
    for name in ("second", "teacher"):
        assert getattr(again, name) == [path.resolve() for path in getattr(asked, name)]
    assert again.stream == [(name, path.resolve()) for name, path in asked.stream]
    assert options.begun_with(cli.parser().parse_args(["sweep", "s.toml", "--data", "d", "--out", "o"])) == []


def test_the_table_has_mean_and_spread_of_the_seeds_that_finished() -> None:
    values = [0.5, 0.6, 0.7]
    done = [sweep.RunDone(f"a-s{n}", "a", n, "", 9, 9, True, value) for n, value in enumerate(values)]
    done += [sweep.RunDone("a-s9", "a", 9, "", 1, 9, False, 0.1, "it was stopped")]
    done += [
        sweep.RunDone("b-s1", "b", 1, "", 9, 9, True, 0.9),
        sweep.RunDone("c-s1", "c", 1, "", error="no data"),
    ]
    first, second, third = sweep.groups(done)
    assert (first.seeds, first.mean, first.lowest, first.highest) == (3, pytest.approx(0.6), 0.5, 0.7)
    assert first.deviation == pytest.approx(statistics.stdev(values))
    assert (second.mean, second.deviation, third.mean) == (0.9, None, None)
    lines = sweep.as_text([first, second, third]).splitlines()
    assert [line.split()[0] for line in lines] == ["recipe", "b", "a", "c"]
    assert lines[2].split()[1:] == ["3", "60.00%", "10.00%", "50.00%", "70.00%"]
    page = sweep.page(done)
    assert "60.00%" in page and "it was stopped" in page and "no data" in page


@pytest.mark.slow
def test_a_sweep_that_is_stopped_goes_on_and_ends_as_one_that_was_not(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    try:
        import distributed  # noqa: F401
    except ImportError:
        absent("cluster", "the packages of ferlite[cluster] are not installed")
    written(tmp_path, 'recipes = ["tiny.toml", "wide.toml"]\nseeds = [1, 2, 3]')
    make.write_pack(tmp_path / "faces.npz")
    words = [sys.executable, "-m", "train.cli", "sweep", "sweep.toml", "--data", "faces.npz", "--json"]
    words += ["--on", "local:2", "--out", "out"]
    with subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_surroundings()
    ) as process:
        while not list(tmp_path.glob("out/*/checkpoint.pt")) and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 130 and "stopped; the same command goes on from here" in said
    done = subprocess.run(
        words, cwd=tmp_path, capture_output=True, text=True, check=False, env=_surroundings()
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [(each["name"], each["seeds"]) for each in told["groups"]] == [("tiny", 3), ("wide", 3)]
    assert all(each["finished"] for each in told["runs"]) and (tmp_path / "out/sweep.html").is_file()
    alone = [
        sys.executable,
        "-m",
        "train.cli",
        "run",
        "out/tiny-s1/recipe.toml",
        "--data",
        "faces.npz",
        "--threads",
        "1",
    ]
    subprocess.run(
        [*alone, "--out", "alone"], cwd=tmp_path, check=True, capture_output=True, env=_surroundings()
    )
    assert (tmp_path / "alone/history.csv").read_text().splitlines()[-1].rpartition(",")[0] == (
        tmp_path / "out/tiny-s1/history.csv"
    ).read_text().splitlines()[-1].rpartition(",")[0]


def _surroundings() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
