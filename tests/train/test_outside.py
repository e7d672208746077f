"""face-api's network: its file's format and its shape, by weights made here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge.errors import DataInvalid
from faces.labels import EXPRESSIONS
from tests.train import make
from train import cli, outside, soft_labels

WIDTHS = (4, 4, 8, 8)


def _write(folder: Path) -> Path:
    """A FaceExpressionNet of few channels: 8-bit filters, float biases."""
    folder.mkdir(exist_ok=True)
    rng, entries, data = np.random.default_rng(1), [], b""

    def add(name: str, shape: tuple[int, ...], eight_bits: bool) -> None:
        nonlocal data
        entry: dict[str, object] = {"name": name, "shape": shape, "dtype": "float32"}
        if eight_bits:
            entry["quantization"] = {"dtype": "uint8", "scale": 0.005, "min": -0.64}
            data += rng.integers(0, 256, shape).astype(np.uint8).tobytes()
        else:
            data += rng.normal(0, 0.1, shape).astype("<f4").tobytes()
        entries.append(entry)

    channels = 3
    for block, width in enumerate(WIDTHS):
        for number in range(4):
            name = f"dense{block}/conv{number}"
            if block == number == 0:
                add(f"{name}/filters", (3, 3, 3, width), True)
            else:
                add(f"{name}/depthwise_filter", (3, 3, channels, 1), True)
                add(f"{name}/pointwise_filter", (1, 1, channels, width), True)
            add(f"{name}/bias", (width,), False)
            channels = width
    add("fc/weights", (channels, 7), True)
    add("fc/bias", (7,), False)
    (folder / outside.MANIFEST).write_text(json.dumps([{"weights": entries}]))
    (folder / outside.WEIGHTS).write_bytes(data)
    return folder


def test_it_answers_with_probabilities_that_a_mirror_does_not_change(tmp_path: Path) -> None:
    network = outside.read(_write(tmp_path / "model"))
    faces = make.face_set(9, 1).faces
    answers = outside.answers(network, faces, batch=4)
    assert answers.shape == (9, 7)
    np.testing.assert_allclose(answers.sum(1), 1, rtol=1e-5)
    assert np.ptp(answers, 0).max() > 1e-4
    np.testing.assert_allclose(outside.answers(network, faces[:, :, ::-1]), answers, atol=1e-4)


def test_its_labels_are_put_in_our_order(tmp_path: Path) -> None:
    network = outside.read(_write(tmp_path / "model"))
    weights = network._weights
    weights["fc/weights"] = weights["fc/weights"] * 0
    weights["fc/bias"] = weights["fc/bias"] * 0
    weights["fc/bias"][outside.ORDER.index("surprise")] = 30
    (answer,) = outside.answers(network, make.face_set(1, 1).faces)
    assert EXPRESSIONS[answer.argmax()] == "surprise"


def test_the_verb_writes_what_a_run_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = _write(tmp_path / "model"), tmp_path / "soft.npz"
    data = make.write_pack(tmp_path / "faces.npz")
    command = ["ask", str(folder), "--data", str(data), "-o", str(out), "--threads", "1", "--json"]
    assert cli.main(command) == 0
    said = json.loads(capsys.readouterr().out)
    from faces import readers

    faces = readers.read(data, 48, search=False).split("train")
    assert said["faces"] == len(faces)
    assert set(soft_labels.read_second(out, [outside.NAME], faces)) == {outside.NAME}


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / outside.WEIGHTS).unlink(), "is not face-api's folder 'model'"),
        (lambda folder: (folder / outside.MANIFEST).write_text("{"), "holds no FaceExpressionNet"),
        (lambda folder: (folder / outside.MANIFEST).write_text("[{}]"), "holds no FaceExpressionNet"),
        (lambda folder: (folder / outside.WEIGHTS).write_bytes(b"\0" * 9), "holds no FaceExpressionNet"),
    ],
)
def test_a_folder_that_is_something_else_is_refused(tmp_path: Path, harm: object, message: str) -> None:
    folder = _write(tmp_path / "model")
    harm(folder)  # type: ignore[operator]
    with pytest.raises(DataInvalid, match=message):
        outside.read(folder)
