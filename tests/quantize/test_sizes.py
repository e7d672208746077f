from __future__ import annotations

import json
from pathlib import Path

import pytest

from faces.face_set import load_fer2013
from quantize.cli import main
from tests.pages.reading import plots_in, stands_alone


def test_a_network_is_measured_at_each_size_and_the_record_says_how(
    run: Path, pack: Path, ladder_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, page = tmp_path / "sizes.json", tmp_path / "sizes.html"
    words = [
        "sizes",
        run,
        "--data",
        pack,
        "--sizes",
        "16,24",
        "--recipe",
        ladder_file.with_name("quick.toml"),
    ]
    words += ["--faces", "70", "--rounds", "3", "--record", record, "--html", page]
    assert main([*map(str, words)]) == 0
    said = capsys.readouterr().out
    read = json.loads(record.read_text(encoding="utf-8"))
    assert [(row["size"], row["trained_at"]) for row in read["rows"]] == [(16, 16), (24, 16)]
    small, large = read["rows"]
    assert small["float"]["of_reference"] == 1.0 and small["float"]["accuracy"] > 0.8
    assert large["float"]["of_reference"] > 1.1, "over twice the pixels take longer"
    assert all(0 < row["agreement"] <= 1 and row["int8"]["ms"] > 0 for row in read["rows"])
    assert read["data"] == {"split": "fer2013-public", "faces": 70}
    assert str(tmp_path) not in record.read_text(encoding="utf-8")
    assert "16*" in said and f"{small['int8']['accuracy']:.2%}" in said
    assert all(len(line) <= 80 for line in said.splitlines() if "  " in line)
    text = page.read_text(encoding="utf-8")
    assert len(plots_in(text)) == 1 and stands_alone(text)
    assert not list(tmp_path.glob("*.part"))


def test_more_faces_than_there_are_is_all_of_them(
    run: Path, pack: Path, ladder_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = str(ladder_file.with_name("quick.toml"))
    words = ["sizes", str(run), "--data", str(pack), "--sizes", "16", "--recipe", quick, "--rounds", "1"]
    assert main([*words, "--faces", "99999", "--json"]) == 0
    there = len(load_fer2013(pack, "public"))
    assert json.loads(capsys.readouterr().out)["data"] == {"split": "fer2013-public", "faces": there}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--sizes", "big"], "--sizes 'big': give numbers of pixels"),
        (["--sizes", "8"], "--sizes: 8 is not 16 to 512 pixels"),
        (["--rounds", "0"], "argument --rounds: '0' must be a whole number from 1"),
        (["--recipe", "steep"], "no recipe 'steep'"),
    ],
)
def test_bad_arguments_are_one_sentence(
    run: Path, pack: Path, more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sizes", str(run), "--data", str(pack), *more]) != 0
    told = capsys.readouterr()
    assert said in told.err and told.err.count("\n") == 1 and told.out == ""
