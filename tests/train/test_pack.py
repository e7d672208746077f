from __future__ import annotations

import dataclasses
import json
import lzma
from pathlib import Path

import numpy as np
import pytest
import torch

from edge.errors import DataInvalid, ToolchainError
from tests.train import make
from tests.train.test_loop import assert_same
from train import cli
from train.checkpoint import Trained, load_run
from train.lineage import Lineage, Taught
from train.pack import pack
from train.predict import predict

FACES = make.face_set(40, 3)


def test_a_packed_network_is_half_as_large_and_answers_alike(trained: Trained, tmp_path: Path) -> None:
    packed = pack(trained, FACES, tmp_path / "w.pt")
    again = load_run(tmp_path / "w.pt")
    assert packed.changed == 0 and packed.faces == 40
    assert packed.bytes == (tmp_path / "w.pt").stat().st_size < 0.75 * trained.path.stat().st_size
    assert all(tensor.dtype != torch.float16 for tensor in again.model.state_dict().values())
    assert (again.recipe, again.data, again.lineage) == (trained.recipe, trained.data, trained.lineage)
    was, now = (predict(each.model, FACES.faces, each.recipe) for each in (trained, again))
    np.testing.assert_allclose(now, was, atol=0.02)
    assert not np.array_equal(now, was)


def test_a_packed_network_may_be_compressed_and_damage_is_told(trained: Trained, tmp_path: Path) -> None:
    plain, small = tmp_path / "w.pt", tmp_path / "w.pt.xz"
    known = dataclasses.replace(
        trained,
        lineage=Lineage(("a" * 64,), (Taught("big", "b" * 64, ("c" * 64,)),), "0.5 of d and 0.5 of e"),
    )
    bytes_of = [pack(known, FACES, path).bytes for path in (plain, small)]
    assert bytes_of == [path.stat().st_size for path in (plain, small)]
    assert bytes_of[1] < 0.9 * bytes_of[0]
    first, second = load_run(plain), load_run(small)
    assert second.pedigree == first.pedigree == known.pedigree
    assert_same(second.model.state_dict(), first.model.state_dict())
    assert small.read_bytes()[:6] == b"\xfd7zXZ\0" and lzma.decompress(small.read_bytes())[:2] == b"PK"
    small.write_bytes(small.read_bytes()[:-9])
    with pytest.raises(DataInvalid, match=r"w\.pt\.xz' is not a ferlite checkpoint, or it is damaged"):
        load_run(small)


def test_a_network_that_float16_changes_stays_as_it_is(trained: Trained, tmp_path: Path) -> None:
    network = load_run(trained.path).model
    with torch.no_grad():
        last = [module for module in network.modules() if isinstance(module, torch.nn.Linear)][-1]
        # Float16 has 11 bits: next to 2048 these differences between the classes are lost.
        last.weight.copy_(
            2048 + 0.4 * torch.rand(last.weight.shape, generator=torch.Generator().manual_seed(1))
        )
    with pytest.raises(ToolchainError, match=r"stays float32: float16 changes \d+ of 40 answers"):
        pack(dataclasses.replace(trained, model=network), FACES, tmp_path / "w.pt")
    with torch.no_grad():
        last.weight[2] = 1e6
    with pytest.raises(ToolchainError, match=r"stays float32: classifier\.1\.weight does not fit float16"):
        pack(dataclasses.replace(trained, model=network), FACES, tmp_path / "w.pt")
    assert not (tmp_path / "w.pt").exists()


def test_the_verb_says_what_it_wrote_and_where_it_cannot(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make.write_pack(tmp_path / "faces.npz")
    common = ["--data", str(data), "--threads", "1"]
    assert cli.main(["pack", str(trained.path), "--out", str(tmp_path / "w.pt"), "--json", *common]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["bytes"] == (tmp_path / "w.pt").stat().st_size
    missing = tmp_path / "no" / "w.pt"
    assert cli.main(["pack", str(trained.path), "--out", str(missing), *common]) == 1
    assert "cannot write" in capsys.readouterr().err
