"""Lessons keep priors apart: evidence is learnt, noisy labels are believed with care, teachers agree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from edge.errors import DataInvalid, UsageError
from faces import readers
from faces.face_set import joined
from faces.labels import EXPRESSIONS
from tests.train import make
from train import backbones, blend, lessons, loop, public_weights, recipe, soft_labels
from train.backbones.layers import DepthwiseConv2d
from train.batches import Batches
from train.checkpoint import load_run
from train.maps import Maps, split
from train.recipe import Recipe
from train.teaching import SoftLabels, second_of, without_priors

APART = make.RECIPE.replace("[data]", "[data]\nbalanced = true\nsecond_share = 0.25\nsecond_balance = 0.5")


def apart(train: str = "", data: str = "") -> Recipe:
    text = APART.replace("[train]", f"[train]\n{train}").replace("[data]", f"[data]\n{data}")
    return recipe.parse(text.replace("mixup = 0.2", ""), "apart")


def test_the_loss_is_least_where_the_logits_are_evidence_whatever_the_prior_was() -> None:
    """Two sources with opposite priors and the same evidence: only logits without either fit both."""
    evidence = torch.tensor([[1.0, 0, 0, 0, 0, 0, 0.5]], dtype=torch.float32)
    priors = torch.tensor([[0.7, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05], [0.05] * 6 + [0.7]])
    target = torch.stack([F.softmax(evidence[0] + prior.log(), 0) for prior in priors]).reshape(1, -1)
    held = lessons.Lessons(target, priors.log())
    best = float(held.loss(evidence, target))
    for prior in priors:
        assert float(held.loss(evidence + prior.log(), target)) > best + 0.05
    moved = evidence.clone().requires_grad_()
    held.loss(moved, target).backward()
    assert moved.grad is not None and float(moved.grad.abs().max()) < 1e-5


def test_each_source_has_its_share_and_faces_of_the_second_set_follow_the_first() -> None:
    first, second = make.face_set(40, 1), make.face_set(20, 2)
    taught = np.full((60, 7), 1 / 7, np.float32)
    how = apart("distill_weight = 0.4")
    made = lessons.apart(how, first, second, np.full(20, 1 / 20), taught).targets.view(60, 4, 7).sum(2)
    np.testing.assert_allclose(made[:40], [[0.3, 0.3, 0.0, 0.4]] * 40, atol=1e-5)
    np.testing.assert_allclose(made[40:], [[0.0, 0.0, 0.6, 0.4]] * 20, atol=1e-5)


def test_rare_labels_of_a_noisy_set_are_believed_where_teachers_say_the_same() -> None:
    second = make.face_set(70, 3)
    sure = np.isin(second.labels, lessons.TRUSTED)
    np.testing.assert_array_equal(lessons.believed(second, None), sure)
    agreeing = np.eye(7, dtype=np.float32)[second.labels]
    assert lessons.believed(second, agreeing).all()
    against = np.eye(7, dtype=np.float32)[(second.labels + 1) % 7]
    np.testing.assert_array_equal(lessons.believed(second, against), sure)


def test_a_teachers_own_prior_is_divided_out_before_teachers_are_joined() -> None:
    rng = np.random.default_rng(1)
    logs = rng.normal(0, 1, (4000, 7))
    even = np.exp(logs) / np.exp(logs).sum(1, keepdims=True)
    fond = even * [5, 1, 1, 1, 1, 1, 1]
    fond /= fond.sum(1, keepdims=True)
    assert fond.mean(0)[0] > 2.5 * even.mean(0)[0]
    joined = lessons.agreed([lessons.without_prior(fond), lessons.without_prior(even)])
    assert (joined.argmax(1) == even.argmax(1)).mean() > 0.9


def test_a_batch_has_its_share_of_the_second_set_and_each_face_of_the_first_once() -> None:
    batches = Batches(apart(), make.face_set(42, 1), make.face_set(20, 2, side=96))
    seen = [batches.chosen(step) for step in range(batches.per_epoch)]
    assert all((indices >= 42).sum() == 2 for indices in seen)
    first = np.concatenate([indices[indices < 42] for indices in seen])
    assert len(set(first)) == len(first) == 42
    assert batches.at(0).grey.shape == (8, 1, 16, 16) and batches.at(0).target.shape == (8, 28)


@pytest.mark.parametrize("frozen", ["", "frozen = 3\nviews = 2\n"])
def test_a_run_that_keeps_priors_apart_learns_and_goes_on_where_it_stopped(
    tmp_path: Path, frozen: str
) -> None:
    train, public, second = make.face_set(80, 1), make.face_set(42, 2), make.face_set(24, 3)
    how = apart(frozen)
    whole = loop.fit(how, train, public, tmp_path / "whole", threads=1, second=second)
    assert whole.finished
    rows = (tmp_path / "whole" / "history.csv").read_text(encoding="utf-8").splitlines()
    assert "ferplus_accuracy" in rows[0] and "public_balanced" in rows[0] and len(rows) == 4
    if frozen:
        assert [path.name[:7] for path in sorted((tmp_path / "whole").glob("maps-*"))] == [
            "maps-0-",
            "maps-1-",
        ]
    run = load_run(tmp_path / "whole")
    again = loop.fit(how, train, public, tmp_path / "again", threads=1, second=second)
    other = load_run(tmp_path / "again")
    assert again.best_accuracy == whole.best_accuracy
    for name, value in run.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[name]), name


def test_maps_of_another_network_or_other_faces_are_made_anew_and_the_same_are_kept(tmp_path: Path) -> None:
    how = apart("frozen = 3\nviews = 2\n")
    batches = Batches(how, make.face_set(42, 1), make.face_set(20, 2, side=96))

    def made(seed: int, data: str) -> tuple[torch.Tensor, set[str]]:
        torch.manual_seed(seed)
        below, _ = split(backbones.build(how.model, 7), how)
        maps = Maps(below, batches, tmp_path, data).at(np.arange(5), 0)
        return maps, {path.name for path in tmp_path.glob("maps-*")}

    first, names = made(1, "faces")
    assert len(names) == 2
    times = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("maps-*")}
    again, same = made(1, "faces")
    assert torch.equal(first, again) and same == names
    assert times == {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("maps-*")}
    for seed, data in ((2, "faces"), (1, "other faces")):
        other, others = made(seed, data)
        assert len(others) == 2 and not others & names
        assert torch.equal(first, other) == (seed == 1)


def test_frozen_parts_keep_their_weights(tmp_path: Path) -> None:
    train, public, second = make.face_set(80, 1), make.face_set(42, 2), make.face_set(24, 3)
    loop.fit(apart(), train, public, tmp_path / "first", threads=1, second=second)
    how = apart("frozen = 3\n")
    loop.fit(
        how, train, public, tmp_path / "then", threads=1, second=second, init=tmp_path / "first" / "best.pt"
    )
    before, after = (load_run(tmp_path / name).model.state_dict() for name in ("first", "then"))
    kept = {name: torch.equal(value, after[name]) for name, value in before.items()}
    assert all(
        same for name, same in kept.items() if name.split(".")[:2] in (["features", str(k)] for k in range(3))
    )
    assert not all(kept.values())


def test_the_second_set_and_the_recipe_must_fit(tmp_path: Path) -> None:
    faces = make.face_set(40, 1)
    with pytest.raises(UsageError, match="has data.second_share: give a data set with --second"):
        loop.fit(apart(), faces, faces, tmp_path, threads=1)
    plain = recipe.parse(make.RECIPE, "plain")
    with pytest.raises(UsageError, match="leave out --second"):
        loop.fit(plain, faces, faces, tmp_path, threads=1, second=faces)


def test_a_blend_lies_between_its_two_ends(tmp_path: Path) -> None:
    train, public, second = make.face_set(80, 1), make.face_set(42, 2), make.face_set(24, 3)
    plain = recipe.parse(make.RECIPE, "plain")
    loop.fit(plain, train, public, tmp_path / "start", threads=1)
    loop.fit(
        apart(), train, public, tmp_path / "tuned", threads=1, second=second, init=tmp_path / "start/best.pt"
    )
    start, tuned = load_run(tmp_path / "start"), load_run(tmp_path / "tuned")
    for name, value in blend.blend(start, tuned, 1.0, public).state_dict().items():
        torch.testing.assert_close(value, tuned.model.state_dict()[name])
    half = blend.blend(start, tuned, 0.5, public).state_dict()["features.0.0.weight"]
    ends = [each.model.state_dict()["features.0.0.weight"] for each in (start, tuned)]
    torch.testing.assert_close(half, (ends[0] + ends[1]) / 2)
    blend.write_blend(start, tuned, 0.5, public, tmp_path / "half.pt.xz")
    written = load_run(tmp_path / "half.pt.xz")
    assert written.recipe.data.balanced
    assert written.lineage.blend == f"0.5 of {tuned.sha256} and 0.5 of {start.sha256}"
    assert public_weights.describe(written.lineage)[-1].endswith(f"{written.lineage.blend} (sha256).")
    with pytest.raises(UsageError, match="--share 2: give 0"):
        blend.blend(start, tuned, 2, public)


def test_the_focal_loss_lets_what_is_known_teach_less() -> None:
    logits = torch.tensor([[4.0, 0, 0, 0, 0, 0, 0], [0.5, 0, 0, 0, 0, 0, 0]])
    target, prior = torch.eye(7)[[0, 0]], torch.zeros(1, 7)
    plain = [lessons.Lessons(target, prior).loss(each[None], target[:1]) for each in logits]
    focal = [lessons.Lessons(target, prior, 2.0).loss(each[None], target[:1]) for each in logits]
    known = logits.softmax(1)[:, 0]
    for held, eased, sure in zip(plain, focal, known, strict=True):
        torch.testing.assert_close(eased, held * (1 - sure) ** 2)
    assert (
        lessons.as_they_come(
            recipe.parse(make.RECIPE.replace("[train]", "[train]\nfocal = 1.5"), "focal"),
            make.face_set(20, 1),
        ).focal
        == 1.5
    )


def test_soft_labels_are_read_in_our_order_and_without_the_faces_that_are_left_out(tmp_path: Path) -> None:
    data, file = make.write_pack(tmp_path / "faces.npz"), tmp_path / "soft.npz"
    answers = np.random.default_rng(1).dirichlet(np.ones(7), 40)
    np.savez(file, classes=np.array(make.CLASSES), train_wise=answers, train_odd=np.full((40, 7), np.nan))
    read = soft_labels.read(file, ["wise"], data)["wise"]
    assert read.shape == (40, 7)
    np.testing.assert_allclose(read[:, EXPRESSIONS.index("neutral")], answers[:, 6])
    np.testing.assert_allclose(read[:, EXPRESSIONS.index("happiness")], answers[:, 3])
    with pytest.raises(DataInvalid, match="has no 'train_nobody'"):
        soft_labels.read(file, ["nobody"], data)
    with pytest.raises(DataInvalid, match="'odd' does not know all seven expressions"):
        soft_labels.read(file, ["odd"], data)


def test_soft_labels_of_the_second_set_are_those_of_its_faces(tmp_path: Path) -> None:
    second, file = make.face_set(24, 3), tmp_path / "second.npz"
    answers = np.random.default_rng(2).dirichlet(np.ones(7), 24)
    soft_labels.write(file, "wise", answers, second)
    np.testing.assert_allclose(soft_labels.read_second(file, ["wise"], second)["wise"], answers, atol=1e-3)
    more = soft_labels.read_second(file, ["wise"], joined([second, make.face_set(6, 4)]))["wise"]
    np.testing.assert_allclose(more[:24], answers, atol=1e-3)
    assert more.shape == (30, 7) and np.isnan(more[24:]).all()
    with pytest.raises(DataInvalid, match=r"'train_wise' is \(24, 7\), and must be \(12, 7\)"):
        soft_labels.read_second(file, ["wise"], second.take(np.arange(12)))
    with pytest.raises(DataInvalid, match="was not made of the faces of"):
        soft_labels.read_second(file, ["wise"], second.take(np.arange(24)[::-1]))


def test_several_second_sets_are_one_and_each_is_believed_as_the_recipe_says() -> None:
    noisy, sure = make.face_set(24, 3), make.face_set(10, 4)
    found = [
        readers.DataSet(readers.layout_named("lfw"), {"train": faces}, {}, {}) for faces in (noisy, sure)
    ]
    how = apart(data='second_labels = ["noisy", "sure"]')
    both = second_of(how, found)
    assert both is not None and len(both) == 34
    np.testing.assert_array_equal(both.faces[24:], sure.faces)
    unasked = np.full((34, 7), np.nan, np.float32)
    believed = lessons.believed(both, unasked)
    assert believed[24:].all() and not believed[:24].all()
    doubted = second_of(apart(), found)
    assert doubted is not None and not lessons.believed(doubted, unasked)[24:].all()
    batches = Batches(how, make.face_set(40, 1), both)
    drawn = np.concatenate([batches.chosen(step)[-2:] for step in range(60)]) - 40
    assert believed[drawn].all() and (drawn >= 24).any() and (drawn < 24).any()
    with pytest.raises(UsageError, match="data.second_labels is of 2 data sets, and --second gives 1"):
        second_of(how, found[:1])
    with pytest.raises(DataInvalid, match="do not go together: other sizes or classes"):
        joined([noisy, replace(sure, faces=sure.faces[:, :8, :8])])


def test_a_run_goes_on_only_with_the_second_set_it_began_with(tmp_path: Path) -> None:
    train, public = make.face_set(80, 1), make.face_set(42, 2)
    loop.fit(apart(), train, public, tmp_path, threads=1, second=make.face_set(24, 3))
    with pytest.raises(DataInvalid, match="was trained on other faces"):
        loop.fit(apart(), train, public, tmp_path, threads=1, second=make.face_set(24, 4))


def test_a_strangers_prior_is_what_it_says_on_average_of_the_first_set() -> None:
    first, second = make.face_set(30, 1), make.face_set(24, 2)
    rng = np.random.default_rng(3)
    said = SoftLabels({"wise": rng.dirichlet(np.ones(7), 30)}, {"wise": rng.dirichlet(np.ones(7), 24)})
    taught = without_priors(None, first, second, said, 1.0)
    assert taught is not None
    expected = said.second["wise"] / said.own["wise"].mean(0)
    np.testing.assert_allclose(taught[30:], expected / expected.sum(1, keepdims=True), rtol=1e-5)
    unasked = without_priors(None, first, second, SoftLabels(said.own), 1.0)
    assert unasked is not None
    assert np.isnan(unasked[30:]).all() and np.isfinite(unasked[:30]).all()
    taught = lessons.apart(apart("distill_weight = 0.5"), first, second, np.full(24, 1 / 24), unasked)
    sums = taught.targets.view(54, -1, 7).sum(2)
    torch.testing.assert_close(sums[:30, 3], torch.full((30,), 0.5))
    torch.testing.assert_close(sums[30:, 2:], torch.tensor([[1.0, 0.0]]).expand(24, 2))
    believed = lessons.believed(second, unasked[30:])
    np.testing.assert_array_equal(believed, np.isin(second.labels, lessons.TRUSTED))


def test_a_recipe_and_its_soft_labels_belong_together(tmp_path: Path) -> None:
    faces, said = make.face_set(80, 1), {"wise": np.full((80, 7), 1 / 7)}
    plain = recipe.parse(make.RECIPE, "plain")
    with pytest.raises(UsageError, match="leave out --second-soft-labels"):
        loop.fit(plain, faces, faces, tmp_path, threads=1, soft_labels=SoftLabels({}, said))
    text = make.RECIPE.replace("[data]", '[data]\nsecond_soft_labels = ["wise"]')
    with pytest.raises(UsageError, match="'wise' is in data.second_soft_labels"):
        loop.fit(
            recipe.parse(text, "lone"), faces, faces, tmp_path, threads=1, soft_labels=SoftLabels({}, said)
        )


@pytest.mark.parametrize("side", [3, 6])
def test_the_small_depthwise_gradient_is_torchs_own(side: int) -> None:
    torch.manual_seed(1)
    ours = DepthwiseConv2d(16, 16, 5, padding=2, groups=16, bias=False).train()
    maps, gradient = torch.randn(4, 16, side, side), torch.randn(4, 16, side, side)
    found = []
    for layer in (ours, torch.nn.Conv2d.forward):
        x = maps.clone().requires_grad_()
        ours.weight.grad = None
        y = ours(x) if layer is ours else torch.nn.Conv2d.forward(ours, x)
        y.backward(gradient)
        assert x.grad is not None and ours.weight.grad is not None
        found.append((y.detach(), x.grad.clone(), ours.weight.grad.clone()))
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)
