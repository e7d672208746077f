"""Clips that are made: calm first, the expression last, the same each time; photographs at both ends of a
morph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import train.cli
from edge.errors import DataInvalid
from faces import clip_set, readers
from faces.clip_set import FRAMES, RATE, ClipSet
from faces.readers.lfw import split_of
from tests.train import make
from tests.train.synth.plain_face import landmarks
from train.synth import actions, clips, clips_cli, morph
from train.synth.face_mesh import MeshReader
from train.synth.families import load_heads
from train.synth.motion import times

SHARED = Path(__file__).parents[4] / "shared"
ICT, MESH = SHARED / "data" / "ict_face.npz", SHARED / "models" / "face_landmark.tflite"


@pytest.mark.parametrize("expression", [name for name in actions.EXPRESSIONS if name != "neutral"])
def test_a_motion_begins_calm_and_ends_with_the_expression_there(expression: str) -> None:
    fits = 0
    for seed in range(10):
        motion = clips.fitting_motion(expression, 0.5, np.random.default_rng(seed))
        last = clips.SECONDS - 1 / RATE
        fits += motion.strength(0.0) <= clips.CALM and motion.strength(last) >= clips.THERE
    assert fits == 10


def test_a_morph_is_a_photograph_at_each_end_and_neither_between() -> None:
    rng = np.random.default_rng(4)
    first, second = (rng.integers(0, 256, (96, 96), np.uint8) for _ in range(2))
    marks = landmarks()
    moved = marks.copy()
    moved[48:68] += (0, 3)
    np.testing.assert_array_equal(morph.morph(first, second, (marks, moved), 0.0), first)
    np.testing.assert_array_equal(morph.morph(first, second, (marks, moved), 1.0), second)
    half = morph.morph(first, second, (marks, moved), 0.5).astype(int)
    assert np.abs(half - first).mean() > 20 and np.abs(half - second).mean() > 20


def test_a_morph_rises_once_and_has_arrived_before_the_clip_ends() -> None:
    for seed in range(20):
        curve = morph.rise(np.random.default_rng(seed))
        values = [curve.at(float(time)) for time in times(clips.SECONDS, RATE)]
        assert values[0] == 0 and values[-1] == 1 and (np.diff(values) >= 0).all()


def test_people_have_numbers_of_their_split() -> None:
    for split in clips_cli.SPLITS:
        found = clips_cli.numbers(split, 7)  # type: ignore[arg-type]
        assert len(set(found)) == 7 and {split_of(number) for number in found} == {split}
    faces = replace(make.face_set(6, seed=1), person=np.array([9, 9, 4, 5, 4, 9]))
    assert clips_cli.numbered(faces, "private").person.tolist() == [1, 1, 3, 5, 3, 1]  # type: ignore[union-attr]


def test_photographs_of_nobody_known_are_told() -> None:
    faces = make.face_set(6, seed=1)
    with pytest.raises(DataInvalid, match="does not say who is who"):
        morph.morphs(faces, None, (1.0,), 3)  # type: ignore[arg-type]


def test_rendered_clips_are_the_same_twice_and_the_verb_writes_what_reads_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not ICT.is_file():
        pytest.skip("ict_face.npz is not beside the project")
    out = tmp_path / "clips.npz"
    words = ["clips", "--heads", str(ICT), "--people", "2", "--side", "16", "--out", str(out)]
    assert train.cli.main([*words, "--sheet", str(tmp_path / "sheet.png")]) == 0
    assert "14 clips of 2 people, rendered" in capsys.readouterr().out
    found = readers.read(out, 16, search=False).split("train")
    assert isinstance(found, ClipSet) and found.clips.shape == (7, FRAMES, 16, 16)
    assert found.making == "rendered" and (tmp_path / "sheet.png").is_file()
    calm = found.classes.index("neutral")
    assert (found.strength[found.labels != calm] >= 0.25).all() and found.strength[found.labels == calm] == 0
    # The mouth of a smile that came is wider than it was; landmarks move with the pixels they name.
    smile = found.paths[found.labels == found.classes.index("happiness")][0]
    wide = np.linalg.norm(smile[:, 54] - smile[:, 48], axis=1)
    assert wide[-1] > wide[0]
    again, _, _ = clip_set.read(out)
    assert train.cli.main([*words[:-1], str(tmp_path / "again.npz")]) == 0
    assert all(
        np.array_equal(one.frames, other.frames)
        for one, other in zip(again, clip_set.read(tmp_path / "again.npz")[0], strict=True)
    )


def test_a_warped_photograph_moves_as_the_head_would() -> None:
    if not ICT.is_file() or not MESH.is_file():
        pytest.skip("ict_face.npz or face_landmark.tflite is not beside the project")
    pytest.importorskip("ai_edge_litert", reason="the mesh runs in LiteRT")
    from train.synth import skin
    from train.synth.render import render

    heads = load_heads(ICT)
    head = heads.head(2)
    who = skin.draw_complexion(np.random.default_rng(2))
    still = render(head, {}, skin.paint(head), who, size=192).picture[48:144, 48:144]
    faces = replace(
        make.face_set(1, seed=1),
        faces=still[None],
        labels=np.array([make_label("neutral")]),
        person=np.array([3]),
    )
    mesh = MeshReader(MESH)
    try:
        made = morph.warps(faces, mesh, head, (1.0,), 1)
    finally:
        mesh.close()
    assert [clip.label for clip in made] == list(actions.EXPRESSIONS)
    for clip in made:
        gone = np.abs(clip.landmarks[-1] - clip.landmarks[0]).max()
        assert gone > 1 if clip.label not in ("neutral",) else gone < 6


def make_label(name: str) -> int:
    from faces.labels import EXPRESSIONS

    return EXPRESSIONS.index(name)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "a.zip"], "must end with .npz"),
        (["--out", "a.npz"], "rendered clips need --heads"),
        (["--out", "a.npz", "--heads", "h.npz", "--mesh", "m"], "take nothing from --mesh: leave it out"),
        (["--out", "a.npz", "--making", "morphed", "--photos", "p.npz"], "morphed clips need --mesh"),
        (["--out", "a.npz", "--heads", "h.npz", "--sheet", "s.jpg"], "must end with .png"),
        (["--out", "a.npz", "--heads", "h.npz", "--strengths", "2"], "2"),
    ],
)
def test_what_cannot_be_made_is_told_in_a_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert train.cli.main(["clips", *words]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
