"""The spotter against marked films: a made film in CASME II's layout, and films that are not there."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

import train.cli
from tests.edge.moments.acted import brows_raised, hill, noisy, photograph
from tests.faces.spotting.test_spotting import CASME2, xlsx

YUNET = Path(__file__).parents[3] / "shared" / "models" / "face_detection_yunet_2023mar.onnx"
RATE, BEGIN = 200, 10  # frames a second, the number of the first


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raised brows from 0.2 to 0.5 s, in a film of 0.7 s."""
    place = tmp_path_factory.mktemp("films") / "sub01" / "EP02_01f"
    place.mkdir(parents=True)
    rng = np.random.default_rng(0)
    # Haar finds no face in a picture that it all but fills.
    still = cv2.copyMakeBorder(photograph(), 40, 40, 60, 60, cv2.BORDER_REPLICATE)
    for index in range(round(0.7 * RATE)):
        inner = brows_raised(photograph(), 0.05 * hill(index / RATE, 0.2, 0.5))
        still[40:-40, 60:-60] = inner
        cv2.imwrite(str(place / f"img{BEGIN + index}.png"), noisy(still, rng))
    return place.parents[1]


def sheet(path: Path) -> Path:
    marked = ["1", "EP02_01f", "", str(BEGIN + 40), str(BEGIN + 70), str(BEGIN + 100), "", "1+2", "surprise"]
    return xlsx(path, {"Sheet1": [CASME2[0], marked, CASME2[2]]})


def of(spotter: str) -> list[str]:
    """The words for a spotter: a network wants a detector that finds landmarks."""
    if not spotter:
        return ["--detector", "haar"]
    if not YUNET.is_file():
        pytest.skip("YuNet's weights are not beside the project")
    return ["--spotter", spotter, "--detector-model", str(YUNET)]


@pytest.mark.parametrize("spotter", ["", "spotter"])
def test_a_marked_movement_is_spotted_and_an_absent_film_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], spotter: str
) -> None:
    typed = ["spotting", str(folder), "--annotations", str(sheet(tmp_path / "s.xlsx")), "--layout", "casme2"]
    typed += of(spotter)
    record = tmp_path / "r.json"
    assert train.cli.main([*typed, "--record", str(record)]) == 0
    found = json.loads(record.read_text())
    assert found["micro"] == {"f1": 1.0, "right": 1, "false": 0, "missed": 0}
    assert found["apex_off_ms"] < 25 and found["absent"] == ["sub12/EP19_06f"]
    assert found["spotter"] == (spotter or "rule")
    assert "F1 1.0000" in capsys.readouterr().out
    if spotter:
        for more, said in (
            (["--spotter", "voice"], "is of kind voice and spots no movements"),
            (["--detector", "haar"], "haar finds none"),
        ):
            assert train.cli.main([*typed, *more]) == 2
            assert said in capsys.readouterr().err


def test_a_folder_without_any_of_the_films_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = [
        "spotting",
        str(tmp_path),
        "--annotations",
        str(sheet(tmp_path / "s.xlsx")),
        "--layout",
        "casme2",
    ]
    assert train.cli.main([*typed, "--detector", "haar"]) == 1
    error = capsys.readouterr().err
    assert "has none of the 2 films" in error and error.count("\n") == 1
