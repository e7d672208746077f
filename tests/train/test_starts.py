"""What a system starts from and looks at: its part of other weights, and no target that it does not need."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edge.errors import DataInvalid
from tests.train import make
from train import backbones, loop, recipe
from train.backbones.trunk import Trunk
from train.pretrained import start_from
from train.streams import Stream, StreamWish, streams_of
from train.systems.system import parts_of, system_of

STRIDES = "input_size = 24\nstrides = [2, 1, 1, 2, 1, 1, 2, 1]"
TEXT = make.RECIPE.replace("mixup = 0.2", "").replace("epochs = 3", "epochs = 1")
TEXT = TEXT.replace("input_size = 16", STRIDES)
DCD = '[system]\nname = "dcd_dan"\nfeatures = 8\n'
SOURCE = DCD + 'adversary = "none"\npseudo_weight = 0.0\n'


def test_a_trunk_takes_its_part_of_a_whole_networks_weights(tmp_path: Path) -> None:
    model = recipe.parse(TEXT, "tiny").model
    whole, other = (backbones.build(model, 7) for _ in range(2))
    torch.save({"model": whole.state_dict()}, tmp_path / "best.pt")
    trunk = Trunk(other, 24)
    start = start_from(trunk, tmp_path / "best.pt")
    assert start.taken == len(trunk.state_dict()) and start.fresh == ()
    for name, value in trunk.state_dict().items():
        assert torch.equal(value, whole.state_dict()[name])
    torch.save({"model": {"features.0.0.weight": torch.zeros(1)}}, tmp_path / "best.pt")
    with pytest.raises(DataInvalid, match="does not fit this network: features"):
        start_from(trunk, tmp_path / "best.pt")


@pytest.mark.parametrize("system", ["dcd_dan", "map_net"])
def test_a_system_that_adds_to_a_classifier_begins_as_the_classifier_that_it_was_started_from(
    tmp_path: Path, system: str
) -> None:
    chosen = recipe.parse(TEXT + f'[system]\nname = "{system}"\nfeatures = 8\n', "tiny")
    whole = backbones.build(chosen.model, 7).eval()
    torch.save({"model": whole.state_dict()}, tmp_path / "best.pt")
    network = parts_of(chosen).network.eval()
    start = start_from(system_of(chosen).trunk(network), tmp_path / "best.pt")
    assert start.taken == len(whole.state_dict()) and start.fresh == ()
    x = torch.randn(5, 1, 24, 24)
    told = [torch.rand(5, *extra.shape) for extra in system_of(chosen).extras]
    with torch.no_grad():
        torch.testing.assert_close(network(x, *told), whole(x))
        # What it adds is nothing yet, not nothing for good.
        network.join.weight.fill_(0.1)
        assert not torch.allclose(network(x, *told), whole(x))


def test_weights_that_may_come_from_a_start_move_at_a_share_of_the_rate(tmp_path: Path) -> None:
    text = TEXT.replace("lr = 0.01", "lr = 0.01\nstart_rate = 0.0\nweight_decay = 0.0") + SOURCE
    chosen = recipe.parse(text, "tiny")
    sets = make.face_set(16, 1), make.face_set(14, 2)
    before = {name: value.clone() for name, value in parts_of(chosen).network.named_parameters()}
    loop.fit(chosen, *sets, tmp_path, threads=1, streams={"target": make.face_set(12, 3)})
    after = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["model"]
    for name, value in before.items():
        assert torch.equal(value, after[name]) == name.startswith("trunk."), name


def test_a_source_alone_learns_nothing_of_the_target_not_even_its_brightness(tmp_path: Path) -> None:
    sets = make.face_set(16, 1), make.face_set(14, 2)
    target = make.face_set(12, 3)
    for system, alike in ((SOURCE, True), (DCD, False)):
        weights = []
        for name, faces in (("seen", target), ("dark", replace(target, faces=target.faces // 4))):
            out = tmp_path / f"{name}-{alike}"
            loop.fit(recipe.parse(TEXT + system, "tiny"), *sets, out, threads=1, streams={"target": faces})
            weights.append(torch.load(out / "best.pt", weights_only=True)["model"])
        same = [torch.equal(left, right) for left, right in zip(*(w.values() for w in weights), strict=True)]
        assert all(same) == alike


def test_faces_of_nobody_known_are_refused_in_one_sentence() -> None:
    chosen = recipe.parse(TEXT, "tiny")
    wishes, given = (StreamWish("pairs", ("person",)),), {"pairs": make.face_set(9, 1)}
    with pytest.raises(DataInvalid, match="needs the person of every face, and made-1 has none"):
        streams_of(chosen, wishes, given, lambda name, faces: Stream(chosen, name, faces))
