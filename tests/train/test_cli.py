from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.bundle import Bundle
from tests.train import make
from train import cli
from train.checkpoint import Trained


def run(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, str, str]:
    try:
        code = cli.main([str(each) for each in argv])
    except SystemExit as ended:
        code = int(ended.code or 0)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.fixture
def tiny_toml(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(make.RECIPE.replace("epochs = 3", "epochs = 1"))
    return path


@pytest.fixture
def desk(tmp_path: Path, tiny_toml: Path, pack: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with tiny.toml and faces.npz."""
    assert tiny_toml.parent == pack.parent == tmp_path
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_and_its_evaluation(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_toml: Path, pack: Path
) -> None:
    out = tmp_path / "run"
    common = ["--data", pack, "--threads", 1]
    code, printed, told = run(capsys, "run", tiny_toml, "--out", out, "--json", *common)
    assert (code, told) == (0, "")
    result = json.loads(printed)
    assert result["finished"] is True
    assert result["steps"] == result["total_steps"] == 5
    assert 0 <= result["best_public_accuracy"] <= 1
    code, printed, told = run(capsys, "run", tiny_toml, "--out", out, *common)
    assert (code, told) == (0, "")
    assert printed.startswith("tiny: ") and printed.endswith("step 5 of 5\n")

    for split in ("public", "private"):
        code, printed, told = run(capsys, "evaluate", out, "--split", split, "--json", *common)
        assert (code, told) == (0, "")
        record = json.loads(printed)
        assert (record["data"]["name"], record["data"]["faces"]) == (f"fer2013-{split}", 21)
        assert record["calibration"]["fitted_on"] == "fer2013-public"
    public = json.loads(run(capsys, "evaluate", out, "--json", *common)[1])
    assert public["score"]["accuracy"] == pytest.approx(result["best_public_accuracy"])
    code, printed, _ = run(capsys, "evaluate", out / "best.pt", *common)
    assert code == 0
    assert "surprise" in printed


def test_records_make_a_report_and_a_card(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, pack: Path, bundle: Bundle, trained: Trained
) -> None:
    common = ["--data", pack, "--threads", 1]
    record, page, data = tmp_path / "e.json", tmp_path / "x.html", tmp_path / "d.json"
    code, printed, told = run(capsys, "evaluate", bundle.path, *common, "--record", record)
    assert (code, told) == (0, "")
    assert printed.startswith("tiny on fer2013-public: ")
    assert json.loads(record.read_text())["model"]["engine"].startswith("onnx")
    assert run(capsys, "report", record, "--out", page) == (0, f"{page}\n", "")
    assert "<svg" in page.read_text()
    data.write_text(run(capsys, "data", "--data", pack, "--json")[1])
    assert json.loads(data.read_text())["splits"]["train"]["faces"] == 40
    folder = shutil.copytree(bundle.path, tmp_path / "copy")
    code, printed, told = run(capsys, "card", folder, record, "--data-report", data, "--json")
    assert (code, told) == (0, "")
    assert Path(json.loads(printed)["card"]).read_text().startswith("# tiny")
    code, printed, told = run(capsys, "evaluate", trained.path, *common, "--flip", "--corruptions")
    assert (code, told) == (0, "")
    assert "sunglasses" in printed


def test_a_data_set_is_described(capsys: pytest.CaptureFixture[str], pack: Path) -> None:
    code, printed, told = run(capsys, "data", "--data", pack)
    assert (code, told) == (0, "")
    assert "terms: No authoritative licence" in printed
    assert "training faces that repeat in private: 0" in printed


def test_the_recipes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = run(capsys, "recipes", "--json")
    assert code == 0
    assert json.loads(printed)["recipes"]["mobilenetv2"]["backbone"] == "mobilenet_v2"
    assert "mobilenetv2" in run(capsys, "recipes")[1]


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["run", "resnet", "--data", "p", "--out", "o"], 1, "no recipe 'resnet'"),
        (["run", "mobilenetv2", "--data", "none.npz", "--out", "o"], 1, "'none.npz' is not there"),
        (["run", "mobilenetv2", "--data", "faces.npz", "--out", "o"], 1, "fewer than a batch of 128"),
        (
            ["run", "tiny.toml", "--data", "faces.npz", "--out", "tiny.toml"],
            1,
            "'tiny.toml' cannot be made a folder",
        ),
        (
            ["run", "tiny.toml", "--data", "faces.npz", "--out", "o", "--threads", "-3"],
            2,
            "argument --threads: '-3' must be a whole number",
        ),
        (["evaluate", "none", "--data", "faces.npz"], 1, "none' cannot be read: No such file"),
        (["evaluate", ".", "--data", "faces.npz"], 1, "has no best.pt"),
        (["evaluate", "faces.npz", "--data", "faces.npz"], 1, "is not a ferlite checkpoint"),
        (["evaluate", "x", "--data", "y", "--split", "train"], 2, "invalid choice"),
        (["evaluate", "x", "--data", "y", "--engine", "onnx"], 2, "--engine onnx is for bundles"),
        (["run", "tiny.toml", "--data", "faces.npz", "--out", "o", "--device", "tpu"], 2, "--device tpu"),
        (["run", "tiny.toml", "--data", "faces.npz", "--out", "o", "--layout", "x"], 2, "unknown layout 'x'"),
        (["run", "tiny.toml", "--data", "faces.npz", "--out", "o", "--init", "n.pth"], 1, "n.pth' cannot be"),
        (["run", "tiny.toml", "--data", "faces.npz", "--out", "o", "--teacher", "n"], 1, "n' cannot be read"),
        (["data", "--data", "faces.npz", "--side", "4"], 2, "'4' must be a whole number from 16 to 512"),
        (["data", "--data", "."], 1, "looks like none of"),
        (["report", "none.json", "--out", "x.html"], 1, "none.json' cannot be read"),
        (["report", "tiny.toml", "--out", "x.html"], 1, "is not JSON"),
        (["run"], 2, "required"),
        (["fly"], 2, "invalid choice"),
    ],
)
def test_a_mistake_is_one_sentence_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], desk: Path, argv: list[str], code: int, words: str
) -> None:
    got, printed, told = run(capsys, *argv)
    assert got == code
    assert printed == ""
    assert words in told
    assert "Traceback" not in told
    if code:
        assert told.count("\n") == 1


def test_without_torch_a_verb_says_what_to_install() -> None:
    code = """
import sys
sys.modules["torch"] = None
from train.cli import main
sys.exit(main(["run", "mobilenetv2", "--data", "faces.npz", "--out", "o"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "ferlite-train: this needs the package torch: pip install 'ferlite[train]'\n"


def test_help_needs_no_torch() -> None:
    code = """
import sys
import train.cli
try:
    train.cli.main(["--help"])
except SystemExit:
    pass
assert "torch" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "evaluate" in done.stdout
