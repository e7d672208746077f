"""The landmark network: marks follow the picture, losses are what they say, a stopped run ends in the same
weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from edge.errors import DataInvalid, RecipeInvalid
from tests.train.synth.plain_face import landmarks
from train import stepwise
from train.cli import main
from train.landmarks import change, covers, gather, judge, learn, losses, marked, recipe
from train.landmarks.network import MIRRORED, LandmarkNetwork

MARKS = landmarks(marked.CROP) + marked.ROOM
SMALL = recipe.parse(
    'schema = 1\nname = "small"\n[network]\nstem = 4\nwidths = [4, 4, 8]\nblocks = [0, 0, 1]\nhidden = 16\n'
    "[learn]\nsteps = 4\nbatch_size = 8\n",
    "small",
)


def faces(count: int = 24) -> marked.MarkedFaces:
    """Black pictures with a white dot at each landmark, shifted and scaled; every third wears a mask."""
    rng = np.random.default_rng(1)
    marks = np.stack(
        [(MARKS - 40) * rng.uniform(0.8, 1.05) + 40 + rng.uniform(-4, 4, 2) for _ in range(count)]
    ).astype(np.float32)
    pictures = np.zeros((count, marked.SIDE, marked.SIDE), np.uint8)
    for picture, points in zip(pictures, marks, strict=True):
        x, y = np.clip(np.rint(points), 0, marked.SIDE - 1).astype(int).T
        picture[y, x] = 255
    visible = np.ones((count, 68), bool)
    worn = (np.arange(count) % 3 == 2).astype(np.int8)
    visible[worn == 1, 48:] = False
    return marked.MarkedFaces(
        pictures,
        marks,
        visible,
        np.full(count, 30, np.float32),
        np.linspace(-60, 60, count).astype(np.float32),
        np.zeros(count, np.int8),
        gather.SOURCES,
        worn,
        gather.WORN,
    )


def test_mirrored_points_are_the_same_points_of_a_mirrored_face() -> None:
    assert sorted(MIRRORED) == list(range(68))
    middle = MARKS[:, 0].mean()
    flipped = MARKS * [-1, 1] + [2 * 40, 0]
    np.testing.assert_allclose(flipped[list(MIRRORED)], MARKS, atol=0.05)
    assert abs(middle - 40) < 1


def test_marks_go_where_the_picture_goes() -> None:
    quiet = recipe.ChangeRecipe(light=0, noise=0, coarse=0)
    batch = change.changed(faces(), np.arange(24), quiet, np.random.default_rng(3))
    bright = 0
    for picture, points, visible in zip(batch.pictures, batch.points, batch.visible, strict=True):
        places = np.rint(points * marked.CROP - 0.5).astype(int)[visible > 0]
        x, y = np.clip(places, 1, marked.CROP - 2).T
        around = np.max([picture[0, y + dy, x + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)], 0)
        bright += (around > 40).mean()
    assert bright / len(batch.pictures) > 0.97


def test_a_change_is_drawn_anew_and_the_same_draw_is_the_same_batch() -> None:
    one, same, other = (
        change.changed(faces(), np.arange(8), SMALL.change, np.random.default_rng(seed)) for seed in (5, 5, 6)
    )
    for first, again in zip(one, same, strict=True):
        np.testing.assert_array_equal(first, again)
    assert (one.points != other.points).any()


def things(count: int = 6) -> covers.Covers:
    """White squares in the middle, that nothing is seen through."""
    opaque = np.zeros((count, marked.SIDE, marked.SIDE), np.uint8)
    opaque[:, 26:54, 26:54] = 255
    return covers.Covers(opaque, np.full_like(opaque, 255))


def test_what_a_thing_is_laid_over_is_hidden_and_its_cells_say_so() -> None:
    always = recipe.ChangeRecipe(light=0, noise=0, coarse=0, rotate=0, scale=0, shift=0, worn=1, twice=0)
    rows = np.arange(24)
    free = change.changed(faces(), rows, always, np.random.default_rng(3))
    worn = change.changed(faces(), rows, always, np.random.default_rng(3), things())
    assert not free.covered.any() and worn.covered.max() == 1
    # A thing is moved by a few pixels: the middle of the crop is under it, its corners are not.
    assert worn.covered[:, 7:9, 7:9].min() == 1 and worn.covered[:, 0, 0].max() == 0
    at = (worn.points * recipe.GRID).astype(int).clip(0, recipe.GRID - 1)
    under = np.take_along_axis(worn.covered.reshape(24, -1), at[..., 1] * recipe.GRID + at[..., 0], axis=1)
    assert worn.visible[under == 1].max() == 0
    assert worn.visible.sum() < free.visible.sum()


def test_things_are_drawn_once_and_come_back_as_they_were_written(tmp_path: Path) -> None:
    patches = [np.full((48, 48), 200, np.uint8)]
    drawn = covers.draw(faces(), 2 * len(gather.TAUGHT), gather.TAUGHT, patches, 1)
    assert len(drawn) == 2 * len(gather.TAUGHT)
    assert all(each.max() == 255 for each in drawn.opaque)
    covers.write(drawn, tmp_path / "covers.npz")
    np.testing.assert_array_equal(covers.read(tmp_path / "covers.npz").texture, drawn.texture)
    with pytest.raises(DataInvalid, match="has no 'opaque'"):
        marked.write(faces(2), tmp_path / "faces.npz")
        covers.read(tmp_path / "faces.npz")


def test_what_lies_outside_the_crop_is_not_called_seen() -> None:
    out = dataclasses.replace(faces(2), landmarks=np.full((2, 68, 2), marked.SIDE - 1, np.float32))
    assert change.plain(out).visible.max() == 0


def test_wing_is_steep_for_small_errors_linear_for_large_and_without_a_jump() -> None:
    at = torch.tensor([0.0, 1.0, 9.999, 10.001, 20.0, 21.0])
    found = losses.wing(at, 10.0, 2.0)
    assert found[0] == 0 and found[5] - found[4] == pytest.approx(1.0, abs=1e-4)
    assert float(found[3] - found[2]) == pytest.approx(0.0, abs=5e-3)
    assert found[1] == pytest.approx(10 * np.log(1.5), rel=1e-5)


def test_auc_is_the_chance_that_a_seen_point_outscores_a_hidden_one() -> None:
    scores, seen = np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, True, False, True])
    # Of four pairs: three right, one tie.
    assert judge.auc(scores, seen) == pytest.approx(3.5 / 4)
    assert judge.auc(scores, np.ones(4, bool)) is None


def test_a_perfect_answer_has_no_error_and_a_shift_has_its_length() -> None:
    test = faces()
    seen = change.plain(test)

    def ask(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return seen.points[: len(pictures)], seen.visible[: len(pictures)] * 2 - 1

    record = judge.judge(test, ask)
    assert record["error"] == 0 and record["auc"]["mask"] == 1 and record["right_at_0"] == 1
    shifted = judge.errors(test, seen.points + np.float32(3 / marked.CROP) * np.array([1, 0], np.float32))
    np.testing.assert_allclose(shifted, 3 / 30, rtol=1e-3)


def test_a_fresh_network_answers_the_mean_shape() -> None:
    mean = change.plain(faces()).points.mean(0)
    network = LandmarkNetwork(SMALL.network, mean).eval()
    with torch.no_grad():
        points, logits = network(torch.zeros(2, 1, 64, 64))
    assert points.shape == (2, 68, 2) and logits.shape == (2, 68)
    assert network.answers(*network.maps(torch.zeros(2, 1, 64, 64)))[2].shape == (2, recipe.GRID, recipe.GRID)
    assert float((points[0] - torch.from_numpy(mean)).abs().max()) < 0.05


def test_a_stopped_run_ends_in_the_very_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert learn.fit(SMALL, faces(), tmp_path / "whole", covers=things())

    class Stop(stepwise.StopSignal):
        """Asks after two steps, as a signal would."""

        def __init__(self) -> None:
            super().__init__()
            self._looks = 0

        @property
        def asked(self) -> bool:
            self._looks += 1
            return self._looks > 2

        @asked.setter
        def asked(self, value: bool) -> None:
            pass

    with monkeypatch.context() as patched:
        patched.setattr(stepwise, "StopSignal", Stop)
        assert not learn.fit(SMALL, faces(), tmp_path / "parts", covers=things())
    assert learn.fit(SMALL, faces(), tmp_path / "parts", covers=things())
    whole, parts = (learn.load_learnt(tmp_path / name).network.state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_run_of_another_recipe_is_refused(tmp_path: Path) -> None:
    learn.fit(SMALL, faces(), tmp_path)
    with pytest.raises(RecipeInvalid, match="made by another recipe"):
        learn.fit(dataclasses.replace(SMALL, text=SMALL.text + "\n"), faces(), tmp_path)
    with pytest.raises(RecipeInvalid, match="unknown key 'width'|has no key 'width'|'width'"):
        recipe.parse('schema = 1\nname = "x"\nwidth = 2\n[learn]\nsteps = 1\n', "x")


def test_a_run_goes_on_with_the_faces_and_the_start_that_it_began_with(tmp_path: Path) -> None:
    learn.fit(SMALL, faces(), tmp_path / "start")
    start, out = tmp_path / "start" / learn.LEARNT, tmp_path / "run"
    assert learn.fit(SMALL, faces(), out, start, things())
    assert learn.fit(SMALL, faces(), out, start, things())
    for others, laid_over in ((faces(23), things()), (faces(), things(7)), (faces(), None)):
        with pytest.raises(DataInvalid, match="has learnt from other data"):
            learn.fit(SMALL, others, out, start, laid_over)
    with pytest.raises(DataInvalid, match="started from other weights: give another --out, or the same --i"):
        learn.fit(SMALL, faces(), out, None, things())


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("widths = [8, 8, 8]\nblocks = [1, 1]", "3 widths and 2 blocks"),
        ("widths = [8]\nblocks = [1]", "give at least two stages"),
        (
            "widths = [8, 8, 8, 8]\nblocks = [0, 0, 0, 0]",
            "there are 8 cells at the second to last stage, not 4",
        ),
    ],
)
def test_stages_that_do_not_fit_are_said(network: str, said: str) -> None:
    with pytest.raises(RecipeInvalid, match=said):
        recipe.parse(f'schema = 1\nname = "x"\n[network]\n{network}\n[learn]\nsteps = 1\n', "x")


def test_a_set_comes_back_as_it_was_written(tmp_path: Path) -> None:
    marked.write(faces(), tmp_path / "a.npz")
    read = marked.read(tmp_path / "a.npz")
    assert read.kinds == gather.WORN and len(read) == 24
    np.testing.assert_array_equal(read.landmarks, faces().landmarks)
    np.savez(tmp_path / "b.npz", pictures=np.zeros(3))
    with pytest.raises(DataInvalid, match="has no 'landmarks'"):
        marked.read(tmp_path / "b.npz")


def test_things_worn_hide_points_and_keep_their_kind() -> None:
    one = gather.One(np.full((96, 96), 120, np.uint8), landmarks(96), np.ones(68, bool), 40.0, 0.0)
    found = gather.gathered(iter([one, one]), 2, gather.SOURCES[0], [np.zeros((48, 48), np.uint8)], ("mask",))
    assert [found.kinds[kind] for kind in found.worn] == ["nothing", "mask", "nothing", "mask"]
    assert found.visible[0].all() and not found.visible[1, 48:68].any() and found.visible[1, 36:48].all()


def test_a_run_gathers_what_it_learns_from_and_goes_on_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    shared = Path(__file__).parents[3] / "shared"
    paths = {
        "--heads": shared / "data" / "ict_face.npz",
        "--data": shared / "data" / "fer2013.npz",
        "--domain": shared / "data" / "lfw_expressions.npz",
        "--mesh": shared / "models" / "face_landmark.tflite",
    }
    for path in paths.values():
        if not path.is_file():
            pytest.skip(f"{path.name} is not beside the project")
    (tmp_path / "tiny.toml").write_text(SMALL.text, encoding="utf-8")
    monkeypatch.setattr(recipe, "BUILT_IN", tmp_path / "tiny.toml")
    words = ["landmarks", *(str(word) for pair in paths.items() for word in pair), "--count", "6"]
    assert main([*words, "--threads", "1", "--out", str(tmp_path / "run"), "--json"]) == 0
    assert '"auc_worn"' in capsys.readouterr().out
    learnt_from = marked.read(tmp_path / "run" / "learn.npz")
    assert set(learnt_from.source.tolist()) == {0, 1, 2}
    test = marked.read(tmp_path / "run" / "test.npz")
    assert {test.kinds[kind] for kind in test.worn} == {gather.CLEAN, *gather.KEPT_OUT}
    assert not learnt_from.worn.any() and len(covers.read(tmp_path / "run" / "covers.npz")) == 9
    (tmp_path / "run" / "record.json").unlink()
    for option, value, told in (
        ("--count", "7", "with --count 6, not 7: give another --out, or the same --count"),
        ("--heads", str(tmp_path / "tiny.toml"), "with another --heads: give another --out"),
    ):
        before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
        assert main([*words, option, value, "--threads", "1", "--out", str(tmp_path / "run")]) == 2
        assert told in capsys.readouterr().err
        assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before
    # A second run has nothing to gather or to learn.
    assert main([*words, "--threads", "1", "--out", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "record.json").is_file()
