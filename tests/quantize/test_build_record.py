"""build.json is read into one record, whichever ferlite wrote it."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge.errors import DataInvalid
from quantize.proof import build_record, page, table
from quantize.proof.build_record import Scaled
from tests.pages.reading import plots_in, stands_alone

ROOT = Path(__file__).parent.parent.parent
SHIPPED = sorted((ROOT / "bundles").glob("*/build.json"))


@pytest.fixture
def whole() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SHIPPED[-1].read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_every_shipped_record_is_read_and_drawn(path: Path) -> None:
    record = build_record.read(path)
    raw = json.loads(path.read_text(encoding="utf-8"))
    assert list(record.engines) == list(raw["engines"]) and record.labels == tuple(raw["labels"])
    for engine, climb in record.engines.items():
        private = climb.on("fer2013-private")
        figures = {each["data"]: each for each in raw["engines"][engine]["figures"]}
        assert private and private.shipped.accuracy == figures["fer2013-private"]["shipped"]["accuracy"]
        assert (climb.timed is not None) == climb.passed
        assert len(climb.rungs) == len(raw["engines"][engine]["rungs"])
    drawn = page.page(record)
    assert stands_alone(drawn) and len(plots_in(drawn)) == 2 + bool(record.sensitivity)
    assert len(table.text(record).splitlines()) > len(record.engines)


def test_what_a_newer_ferlite_says_beside_is_left_alone(whole: dict[str, Any]) -> None:
    expected = build_record.of_table(whole, "the record")
    newer = copy.deepcopy(whole)
    newer["signed"] = True
    for climb in newer["engines"].values():
        climb["figures"][0]["plain"]["balanced"] = 0.5
        climb["rungs"][0]["minutes"] = 3
        for rung in climb["rungs"]:
            if rung["change"]:
                rung["change"]["later"] = 1
    assert build_record.of_table(newer, "the record") == expected


def test_scalings_of_one_temperature_are_said_so(whole: dict[str, Any]) -> None:
    newer = copy.deepcopy(whole)
    for climb in newer["engines"].values():
        climb["scalings"] = {"fer2013": {"scaling": {}, "temperature": 1.25, "held": {}}}
    record = build_record.of_table(newer, "the record")
    assert {str(each) for climb in record.engines.values() for each in climb.scalings.values()} == {
        "temperature 1.25"
    }
    assert str(Scaled(1.0, "vector")) == "vector scaling"


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [("date", None, "'date' is None"), ("engines", [], "must be a table"), ("labels", "anger", "a list")],
)
def test_what_is_of_a_wrong_kind_is_said_with_its_place(
    whole: dict[str, Any], key: str, value: Any, why: str
) -> None:
    with pytest.raises(DataInvalid, match=f"the record: .*{why}"):
        build_record.of_table({**whole, key: value}, "the record")


def test_what_is_missing_is_said(whole: dict[str, Any]) -> None:
    del whole["engines"]
    with pytest.raises(DataInvalid, match="key 'engines' is missing"):
        build_record.of_table(whole, "the record")


def test_reading_loads_neither_torch_nor_an_engine() -> None:
    heavy = "{'torch', 'onnx', 'onnxruntime'}"
    code = f"import sys, quantize.proof.build_record\nprint(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
