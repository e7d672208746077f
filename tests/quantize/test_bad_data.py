"""What a build says of data that it cannot calibrate on, of a full disk and of a builder that dies."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import StorageFailed
from quantize.cli import main
from quantize.workspace import Workspace

Arrays = dict[str, Any]


def only(which: Callable[[Arrays], np.ndarray]) -> Callable[[Arrays], None]:
    """Keep the training faces that ``which`` chooses."""

    def change(arrays: Arrays) -> None:
        kept = which(arrays)
        for name in ("train_x", "train_y", "train_fpvotes", "train_in_test", "train_near_test"):
            arrays[name] = arrays[name][kept]

    return change


def sized(height: int, width: int) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays["train_x"] = np.zeros((len(arrays["train_x"]), height, width), np.uint8)

    return change


def blank(arrays: Arrays) -> None:
    arrays["train_x"][:] = 7


def shown_twice(arrays: Arrays) -> None:
    arrays["train_x"][0] = arrays["private_x"][0]


BAD: dict[str, tuple[Callable[[Arrays], None], str]] = {
    "empty": (only(lambda a: np.zeros(len(a["train_y"]), bool)), "train_x must be uint8 [N, H, W]"),
    "all blank": (blank, "fer2013-train has 0 faces, and the recipe calibrates on 56"),
    "too few": (only(lambda a: np.arange(40)), "fer2013-train has 40 faces, and the recipe calibrates on 56"),
    "one class": (lambda a: a["train_y"].fill(3), "has no face of class 0: calibration needs all 7"),
    "no disgust": (only(lambda a: a["train_y"] != 1), "has no face of class 1: calibration needs all 7"),
    "no pixels": (sized(0, 0), "not uint8 (280, 0, 0): one face or more, of 8 pixels"),
    "a row of pixels": (sized(1, 48), "not uint8 (280, 1, 48): one face or more, of 8 pixels"),
    "in a test too": (shown_twice, "a training face is also a test face"),
}


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.replace(" ", "-"))
def test_data_that_cannot_be_calibrated_on_is_one_sentence_and_leaves_nothing(
    run: Path, pack: Path, ladder_file: Path, tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change, said = BAD[case]
    with np.load(pack) as found:
        arrays = {name: found[name].copy() for name in found.files}
    change(arrays)
    np.savez(tmp_path / "bad.npz", **arrays)
    words = ["build", run, "--data", tmp_path / "bad.npz", "-o", tmp_path / "out", "--ladder", ladder_file]
    assert main([*map(str, words)]) == 1
    told = capsys.readouterr()
    assert said in told.err and told.err.count("\n") == 1 and told.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["bad.npz"]


def test_a_bundle_may_be_called_like_a_ladder_or_crop_that_comes_with_this(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("default", "fer2013"):
        assert main(["build", "no-run", "--data", "faces.npz", "-o", name]) == 1
        assert "is read in this run" not in (said := capsys.readouterr().err) and "no-run" in said
    (tmp_path / "default").write_text("a ladder of one's own")
    assert main(["build", "no-run", "--data", "faces.npz", "-o", "default"]) == 2
    assert "'default' is read in this run" in capsys.readouterr().err


@pytest.fixture
def small_disk() -> Iterator[None]:
    """The kernel lets this process write no file over 64 KiB, as a disk would that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_a_step_that_does_not_fit_on_the_disk_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, small_disk: None
) -> None:
    work = Workspace(tmp_path / "work", {})
    with pytest.raises(StorageFailed, match=r"cannot write '.*/step-.*': File too large"):
        work.files("step", {}, lambda: {"a": b"1", "model.onnx": bytes(100_000)})
    assert list((tmp_path / "work").iterdir()) == []
    assert work.files("step", {}, lambda: {"a": b"2"}) == {"a": b"2"}


def test_a_full_disk_stops_a_build_instead_of_counting_against_a_recipe(
    run: Path,
    pack: Path,
    ladder_file: Path,
    crop_file: Path,
    tmp_path: Path,
    small_disk: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [
        "build",
        run,
        "--data",
        pack,
        "-o",
        tmp_path / "out",
        "--ladder",
        ladder_file,
        "--crop",
        crop_file,
    ]
    assert main([*map(str, words), "--threads", "1"]) == 1
    said = capsys.readouterr()
    assert "cannot write" in said.err and "File too large" in said.err and said.out == ""
    assert said.err.strip().splitlines()[-1].startswith("ferlite-quantize: ")
    assert not (tmp_path / "out").exists()
    left = tmp_path / "out.building"
    assert not left.exists() or list(left.glob("*.part")) == []


def test_a_builder_that_is_killed_is_one_sentence_and_leaves_no_bundle(
    run: Path,
    pack: Path,
    crop_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The interpreter that LiteRT's builder is run in kills itself, as the kernel does where memory ends."""
    (tmp_path / "quick.toml").write_text(
        'schema = 1\nname = "quick"\nengine = "tflite"\n[calibration]\nfaces = 56\n'
        '[quantize]\nactivations = "int8"\nuint8_input = false\n',
        encoding="utf-8",
    )
    ladder = tmp_path / "ladder.toml"
    ladder.write_text('schema = 1\nname = "l"\n[engines]\ntflite = ["quick"]\n', encoding="utf-8")
    dying = tmp_path / "python"
    dying.write_text(f"#!{sys.executable}\nimport os\nos.kill(os.getpid(), 9)\n", encoding="utf-8")
    dying.chmod(0o755)
    monkeypatch.setenv("FERLITE_TFLITE_PYTHON", os.fspath(dying))
    words = ["build", run, "--data", pack, "-o", tmp_path / "out", "--ladder", ladder, "--crop", crop_file]
    assert main([*map(str, words), "--engines", "tflite"]) == 1
    said = capsys.readouterr()
    assert "the tflite builder was killed by signal 9: was there too little memory?" in said.err
    assert said.out == "" and not (tmp_path / "out").exists()
