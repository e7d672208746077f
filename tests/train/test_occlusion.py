"""Things over faces: who is told what is covered, what runs without landmarks, and that records show it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.systems import ablation, probes
from edge.errors import DataInvalid
from edge.extras.regions import PARTS
from faces import readers
from faces.face_set import FaceSet, load_fer2013
from tests.train import make
from train import loop, mark, occlusion, recipe
from train.checkpoint import Trained, load_run
from train.cli import main

TEXT = make.RECIPE.replace("mixup = 0.2", "").replace("epochs = 3", "epochs = 1")
TEXT = TEXT.replace("input_size = 16", "input_size = 24\nstrides = [2, 1, 1, 2, 1, 1, 2, 1]")
TEXT += '[system]\nname = "map_net"\nfeatures = 8\n'


def landmarks(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Where a face's 68 landmarks lie about, float32 [count, 68, 2]."""
    middles = np.array([[0.3, 0.3], [0.7, 0.3], [0.3, 0.42], [0.7, 0.42], [0.5, 0.55], [0.5, 0.78]])
    points = np.full((68, 2), 0.5, np.float32)
    points[:17] = np.stack([np.linspace(0.1, 0.9, 17), 0.4 + 0.5 * np.sin(np.linspace(0, np.pi, 17))], 1)
    for (start, end), middle in zip(PARTS, middles, strict=True):
        points[start:end] = middle + np.linspace(-0.08, 0.08, end - start)[:, None] * [1, 0.2]
    return np.repeat(points[None], count, 0)


@pytest.fixture
def faces() -> FaceSet:
    return replace(make.face_set(24, 1), landmarks=landmarks(24))


@pytest.fixture(scope="module")
def map_net(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    out = tmp_path_factory.mktemp("map_net")
    worn = replace(make.face_set(20, 3), landmarks=landmarks(20))
    sets = make.face_set(16, 1), make.face_set(14, 2)
    loop.fit(recipe.parse(TEXT, "tiny"), *sets, out, threads=1, streams={"landmarked": worn})
    return load_run(out)


def test_a_mask_hides_the_mouth_and_what_is_told_of_it_differs(faces: FaceSet) -> None:
    covered = {kind: occlusion.cover(faces, kind) for kind in occlusion.WORN}
    assert np.array_equal(covered["nothing"].pictures, faces.faces) and covered["nothing"].visible.min() == 1
    assert covered["mask"].visible[:, 48:68].mean() < 0.3 and covered["mask"].visible[:, 36:48].mean() > 0.7
    told = occlusion.told(faces, covered, "mask", 6)
    true, ones, shuffled = (told[name] for name in ("true", "ones", "shuffled"))
    assert true is not None and ones is not None and shuffled is not None and told["none"] is None
    assert true[:, 5].max() < 0.5 and np.allclose(ones.max((2, 3)), 1)
    # What is found of a drawing that is no face is its own, in shape like the truth and no more.
    seen = told["found"]
    assert seen is not None and seen.shape == true.shape and seen.min() >= 0 and seen.max() <= 1
    # Another face wears something else: what is told of the mouth is then often wrong.
    assert 0.2 < (shuffled[:, 5].max((1, 2)) > 0.5).mean() < 1


def test_a_network_without_regions_and_one_with_them_are_probed(
    trained: Trained, map_net: Trained, faces: FaceSet
) -> None:
    plain = occlusion.rows_of(trained, faces)
    assert len(plain) == 5 and all(probed == "accuracy" for probed, _ in plain)
    rows = occlusion.rows_of(map_net, faces)
    assert len(rows) == 6 * 5
    mask, clean = (f"made-1, 24 wearing {kind}" for kind in ("mask", "nothing"))
    assert rows["weight of the mouth", mask] < 0.5 * rows["weight of the mouth", clean]
    assert rows["accuracy, visibility true", clean] == rows["accuracy, visibility ones", clean]


def test_faces_without_landmarks_are_refused_in_one_sentence(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataInvalid, match="needs the landmarks of every face, and made-1 has none"):
        occlusion.rows_of(trained, make.face_set(24, 1))
    pack = make.write_pack(tmp_path / "faces.npz")
    assert main(["probe", str(trained.path), "--data", str(pack), "--only", "occlusion"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.endswith("needs the landmarks of every face, and fer2013-public has none")


def test_a_marked_pack_is_read_with_its_landmarks_and_a_misshapen_one_is_refused(tmp_path: Path) -> None:
    arrays = make.pack({"train": 12, "public": 7, "private": 7})
    for split, count in (("train", 12), ("public", 7), ("private", 7)):
        arrays[f"{split}_landmarks"] = landmarks(count).astype(np.float16)
    path = tmp_path / "marked.npz"
    mark.write(arrays, path)
    found = readers.read(path, search=False).split("train")
    assert found.landmarks is not None and np.allclose(found.landmarks, landmarks(12), atol=1e-3)
    loaded = load_fer2013(path, "public")
    assert loaded.landmarks is not None and loaded.landmarks.shape == (7, 68, 2)
    mark.write(arrays | {"train_landmarks": np.zeros((12, 5, 2))}, path)
    with pytest.raises(DataInvalid, match=r"train_landmarks must be \[N, 68, 2\], not \(12, 5, 2\)"):
        readers.read(path, search=False)


def test_an_ablation_probes_every_run_and_its_table_takes_the_mean_of_seeds(
    map_net: Trained, faces: FaceSet
) -> None:
    sets = make.face_set(20, 4), [], replace(faces, name="worn")
    runs = ablation.measure([map_net, map_net], *sets, only=("labels", "occlusion"))
    assert len(runs) == 2 and runs[0] == runs[1] and len(runs[0]["rows"]) == 2 + 30
    json.dumps(runs)
    runs[1]["rows"][0]["value"] = runs[0]["rows"][0]["value"] + 0.1
    table = probes.markdown({"runs": runs, "date": "today", "command": "x"})
    runs.append({"run": {"name": "plain"}, "rows": [{"probed": "accuracy", "data": "x", "value": 0.5}]})
    more = probes.markdown({"runs": runs, "date": "today", "command": "x"})
    assert "| accuracy | x |  | 50.0% |" in more
    mean = runs[0]["rows"][0]["value"] + 0.05
    assert "`tiny`, 2 seeds" in table and f"| accuracy | worn | {mean:.1%} ± 7.1% |" in table


def test_marking_leaves_out_faces_without_a_mesh(tmp_path: Path) -> None:
    shared = Path(__file__).parents[3] / "shared"
    mesh, data = shared / "models" / "face_landmark.tflite", shared / "data" / "fer2013.npz"
    if not (mesh.is_file() and data.is_file()):
        pytest.skip("face_landmark.tflite and fer2013.npz are not beside the project")
    pytest.importorskip("ai_edge_litert", reason="the face mesh runs in LiteRT")
    from faces.face_set import read_packed
    from train.synth.face_mesh import MeshReader

    pack = read_packed(data, "public")
    reader = MeshReader(mesh)
    try:
        arrays = mark.marked(pack, "public", reader, every=120)
    finally:
        reader.close()
    points = arrays["public_landmarks"].astype(np.float64)
    assert 20 < len(points) <= 30 and len(arrays["public_x"]) == len(points)
    # Eyes above noses above mouths, and the person's right where x is small.
    eyes, nose, mouth = (points[:, a:b].mean(1) for a, b in ((36, 48), (27, 36), (48, 68)))
    assert (eyes[:, 1] < nose[:, 1]).all() and (nose[:, 1] < mouth[:, 1]).all()
    assert (points[:, 36, 0] < points[:, 45, 0]).all()
