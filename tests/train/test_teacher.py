from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from edge.errors import DataInvalid, UsageError
from tests.train import make
from tests.train.test_loop import assert_same, state, stop_after, without_times
from train import loop, recipe
from train.checkpoint import CHECKPOINT, Trained, load_run
from train.lineage import Taught
from train.predict import predict
from train.systems.system import system_of
from train.teacher import Teacher, check, distillation_loss

TRAIN, PUBLIC = make.face_set(40, 1), make.face_set(21, 2)
DISTIL = make.RECIPE.replace("epochs = 3", "epochs = 2\ndistill_weight = 0.7\ndistill_temperature = 3.0")


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> list[Trained]:
    made = []
    for seed, size in ((7, 16), (8, 24)):
        out = tmp_path_factory.mktemp("teacher")
        text = make.RECIPE.replace("seed = 7", f"seed = {seed}").replace(
            "input_size = 16", f"input_size = {size}"
        )
        loop.fit(recipe.parse(text.replace("epochs = 3", "epochs = 1"), "t"), TRAIN, PUBLIC, out, threads=1)
        made.append(load_run(out))
    return made


def test_several_teachers_answer_with_their_mean_each_at_its_size(teachers: list[Trained]) -> None:
    faces = make.face_set(5, 9, side=24).faces
    grey = torch.from_numpy(faces).unsqueeze(1).float()
    cpu = torch.device("cpu")
    both = Teacher(teachers, cpu).answer(grey, 2.0)
    alone = [Teacher([each], cpu).answer(grey, 2.0) for each in teachers]
    torch.testing.assert_close(both, (alone[0] + alone[1]) / 2)
    torch.testing.assert_close(both.sum(1), torch.ones(5))
    # The second was trained at 24 pixels, so nothing is resized and the runtime's way gives the same.
    logits = torch.from_numpy(predict(teachers[1].model, faces, teachers[1].recipe))
    torch.testing.assert_close(alone[1], (logits / 2).softmax(1), atol=1e-4, rtol=1e-3)


def test_a_teacher_in_bfloat16_says_nearly_the_same(teachers: list[Trained]) -> None:
    grey = torch.from_numpy(make.face_set(5, 9, side=24).faces).unsqueeze(1).float()
    exact, quick = (
        Teacher(teachers, torch.device("cpu"), how).answer(grey, 2.0) for how in ("none", "bfloat16")
    )
    assert not torch.equal(exact, quick)
    torch.testing.assert_close(exact, quick, atol=0.01, rtol=0)


def test_faces_are_answered_for_with_their_mirror_images_in_parts_or_at_once(teachers: list[Trained]) -> None:
    faces = make.face_set(5, 9, side=24).faces
    teacher = Teacher(teachers, torch.device("cpu"))
    found = teacher.answers(faces, 2.0, batch=2)
    assert found.shape == (5, 7) and found.dtype == torch.float32
    torch.testing.assert_close(found, teacher.answers(faces[:, :, ::-1].copy(), 2.0))
    grey = torch.from_numpy(faces).unsqueeze(1).float()
    assert not torch.allclose(found, teacher.answer(grey, 2.0), rtol=0, atol=1e-6)


def test_the_loss_is_least_where_the_student_agrees() -> None:
    logits = torch.randn(6, 7)
    taught = (logits / 3).softmax(1)
    best = distillation_loss(logits, taught, 3.0)
    torch.testing.assert_close(best, F.cross_entropy(logits / 3, taught) * 9)
    for _ in range(5):
        assert distillation_loss(logits + torch.randn(6, 7), taught, 3.0) > best


@pytest.mark.parametrize("view", ["changed", "plain"])
def test_a_taught_run_resumes_to_the_very_same_weights(
    teachers: list[Trained], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, view: str
) -> None:
    chosen = recipe.parse(DISTIL.replace("distill_weight", f'distill_view = "{view}"\ndistill_weight'), "d")
    asked: list[int] = []
    ask = Teacher.answers
    monkeypatch.setattr(Teacher, "answers", lambda *given: asked.append(len(given[1])) or ask(*given))

    def go(name: str, by: list[Trained]) -> loop.Outcome:
        return loop.fit(chosen, TRAIN, PUBLIC, tmp_path / name, threads=1, teachers=by)

    assert go("whole", teachers).finished
    with monkeypatch.context() as patch:
        stop_after(patch, 4)
        go("parts", teachers)
    with pytest.raises(DataInvalid, match="taught by another teacher"):
        go("parts", teachers[:1])
    go("parts", teachers)
    # Once for each of the two runs, and not when one goes on.
    assert asked == ([40, 40] if view == "plain" else [])
    assert_same(without_times(state(tmp_path / "parts")), without_times(state(tmp_path / "whole")))
    told = load_run(tmp_path / "whole").lineage.teachers
    assert told == tuple(Taught(each.recipe.name, each.sha256) for each in teachers)
    other = loop.fit(chosen, TRAIN, PUBLIC, tmp_path / "other", threads=1, teachers=teachers[:1])
    assert other.finished
    model = state(tmp_path / "other", CHECKPOINT)["model"]
    assert not torch.equal(
        model["classifier.1.weight"], state(tmp_path / "whole")["model"]["classifier.1.weight"]
    )


def test_a_teacher_prepares_pictures_as_it_learnt_to_and_does_without_what_is_not_there(
    tmp_path: Path,
) -> None:
    text = make.RECIPE.replace("epochs = 3", "epochs = 1")
    prepared = text.replace("[data]", '[data]\nprepare = ["equalise"]')
    faces = PUBLIC.faces // 2 + 40
    loop.fit(recipe.parse(prepared, "prepared"), TRAIN, PUBLIC, tmp_path, threads=1)
    told = recipe.parse(
        text.replace("mixup = 0.2", "") + '[system]\nname = "map_net"\nfeatures = 8\n', "told"
    )
    for trained in (
        load_run(tmp_path),
        replace(load_run(tmp_path), recipe=told, model=system_of(told).network()),
    ):
        heard = Teacher([trained], torch.device("cpu")).answers(faces, 1.0).numpy()
        own = [
            torch.from_numpy(predict(trained.model, each, trained.recipe)).softmax(1).numpy()
            for each in (faces, np.ascontiguousarray(faces[:, :, ::-1]))
        ]
        np.testing.assert_allclose(heard, (own[0] + own[1]) / 2, atol=2e-3)


def test_teacher_and_recipe_must_agree(teachers: list[Trained], tmp_path: Path) -> None:
    prepared = recipe.parse(DISTIL.replace("[data]", '[data]\nprepare = ["gamma"]'), "prepared")
    with pytest.raises(UsageError, match=r'a teacher knows others: give it train.distill_view = "plain"'):
        loop.fit(prepared, TRAIN, PUBLIC, tmp_path, threads=1, teachers=teachers)
    babies = recipe.parse(DISTIL.replace("[data]", '[data]\nlabels = "neonatal"'), "babies")
    with pytest.raises(UsageError, match=r"learns .*, and the teacher '.*' tells anger"):
        check(babies, teachers)
    with pytest.raises(UsageError, match=r"has train\.distill_weight: give a trained run with --teacher"):
        loop.fit(recipe.parse(DISTIL, "d"), TRAIN, PUBLIC, tmp_path, threads=1)
    with pytest.raises(UsageError, match=r"has no train\.distill_weight: leave out --teacher"):
        loop.fit(recipe.parse(make.RECIPE, "t"), TRAIN, PUBLIC, tmp_path, threads=1, teachers=teachers)
