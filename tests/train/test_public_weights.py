from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from train import lineage, public_weights
from train.lineage import Lineage, Taught
from train.pretrained import start_from


def test_public_weights_are_named_and_others_are_told_by_their_digest() -> None:
    digest = next(iter(public_weights.known()))
    first, second = public_weights.describe(Lineage(("0" * 64, digest)))
    assert "0" * 64 in first and "earlier run" in first
    assert "EfficientNet-Lite0's public ImageNet weights" in second and "Apache-2.0" in second
    assert public_weights.describe(Lineage()) == ["Training began with weights drawn at random."]


def test_teachers_are_named_with_what_they_began_with() -> None:
    digest = next(iter(public_weights.known()))
    first, second, third = public_weights.describe(
        lineage.read({"teachers": f"big {'1' * 64} {'0' * 64} {digest}; small {'2' * 64}"})
    )
    assert first == "Training began with weights drawn at random."
    assert "`big`" in second and "1" * 64 in second and "EfficientNet-Lite0's public ImageNet" in second
    assert third == f"It was taught by what `small` answers (weights of sha256 `{'2' * 64}`)."


def test_the_table_is_of_whole_digests() -> None:
    assert all(
        len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in public_weights.known()
    )


def test_a_start_that_was_a_runs_keeps_what_that_run_began_with(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2, 7))
    torch.save(network.state_dict(), tmp_path / "public.pt")
    assert start_from(network, tmp_path / "public.pt").before == ()
    torch.save({"model": network.state_dict(), "init": "aa bb"}, tmp_path / "best.pt")
    assert start_from(network, tmp_path / "best.pt").before == ("aa", "bb")


def test_a_lineage_reads_what_it_wrote() -> None:
    whole = Lineage(("aa", "bb"), (Taught("big", "cc", ("dd", "ee")), Taught("small", "ff")))
    assert whole.texts == {"init": "aa bb", "teachers": "big cc dd ee; small ff"}
    assert lineage.read(whole.texts) == whole
    mean = Lineage(("aa",), blend="0.5 of bb and 0.5 of cc")
    assert lineage.read(mean.texts) == mean
    assert lineage.read({}) == Lineage() == lineage.read(Lineage().texts)
