"""Probes: what is in features is found, what is not is not, and records are shown where they belong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import DataInvalid
from tests.train import make
from train import card, probe, report
from train.checkpoint import Trained
from train.cli import main

RNG = np.random.default_rng(0)


def test_a_linear_probe_finds_what_is_there_and_nothing_where_nothing_is() -> None:
    classes = np.repeat([3, 5, 9], 120)
    noise = RNG.normal(0, 1, (360, 20))
    told = noise + np.eye(20)[classes] * 6
    assert probe.ridge_probe(told, classes) > 0.95
    assert 0.2 < probe.ridge_probe(noise, classes) < 0.47
    assert probe.ridge_probe(told, classes) == probe.ridge_probe(told.copy(), classes)


def test_a_probe_counts_a_rare_class_as_much_as_a_common_one() -> None:
    classes = np.repeat([0, 1], [400, 20])
    blind = RNG.normal(0, 1, (420, 8))
    assert 0.3 < probe.ridge_probe(blind, classes) < 0.7


def test_a_probe_of_one_class_is_refused() -> None:
    with pytest.raises(DataInvalid, match="two classes or more"):
        probe.ridge_probe(np.ones((4, 2)), np.zeros(4, np.int64))


def test_features_are_what_the_last_layer_sees(trained: Trained) -> None:
    faces = make.face_set(9, 1).faces
    given = probe.features(trained, faces)
    assert given.shape == (9, trained.model.classifier[-1].in_features)
    logits = given @ trained.model.classifier[-1].weight.detach().numpy().T
    logits += trained.model.classifier[-1].bias.detach().numpy()
    from train.predict import predict

    np.testing.assert_allclose(logits, predict(trained.model, faces, trained.recipe), rtol=1e-3, atol=1e-4)


@pytest.fixture
def record(trained: Trained) -> dict[str, Any]:
    source, test = make.face_set(200, 1), make.face_set(30, 2)
    fresh = make.face_set(200, 3)
    other = replace(fresh, name="negative-public", faces=255 - fresh.faces)
    return probe.probe(trained, trained, source, [other], test)


def test_a_record_says_what_was_probed_and_of_whom(record: dict[str, Any], trained: Trained) -> None:
    assert json.loads(json.dumps(record)) == record
    assert (record["schema"], record["kind"]) == (1, "ferlite-probe")
    assert record["run"]["weights_sha256"] == trained.sha256 and record["run"]["system"] == {"name": "plain"}
    rows = {(row["probed"], row["data"]): row for row in record["rows"]}
    domain = rows["domain", "made-1 / negative-public"]
    assert domain["run"] == domain["against"] > 0.8
    assert ("accuracy", "made-2, dark 3") in rows
    assert all(0 <= row["run"] <= 1 for row in record["rows"])
    text = probe.as_text(record)
    assert "tiny against tiny" in text and "+0.0" in text


def test_the_page_and_the_card_show_it(record: dict[str, Any], bundle: Any) -> None:
    page = report.page([], [record])
    assert "tiny against tiny" in page and "made-1 / negative-public" in page
    data = {"title": "t", "terms": "t", "split_rule": "s", "repeats": {}, "left_out": {}}
    told = card.write(bundle, [], data | {"splits": {"train": {"faces": 1}}}, "", [record])
    assert "### Probed: tiny against tiny" in told and "| domain | made-1 / negative-public |" in told


def test_the_command_probes_writes_and_reports(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make.write_pack(tmp_path / "faces.npz", train=60, public=30)
    out = tmp_path / "probe.json"
    run = str(trained.path)
    assert main(["probe", run, "--against", run, "--data", str(data), "--record", str(out)]) == 0
    assert "tiny against tiny" in capsys.readouterr().out
    assert main(["report", str(out), "--out", str(tmp_path / "page.html")]) == 0
    assert "tiny against tiny" in (tmp_path / "page.html").read_text(encoding="utf-8")
    out.write_text("{}")
    assert main(["report", str(out), "--out", str(tmp_path / "page.html")]) == 1
