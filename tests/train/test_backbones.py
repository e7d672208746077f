from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from edge.errors import DataInvalid, RecipeInvalid
from train import backbones
from train.backbones.layers import DepthwiseConv2d, DropPath, make_divisible
from train.pretrained import start_from
from train.recipe import ModelRecipe

# Of the networks as published, for 1000 classes and RGB (torchvision; Lite: its authors' release notes
# give 4.7 M and 6.1 M); entries of torchvision's state dicts.
PUBLISHED = {
    "efficientnet_b0": (5_288_548, 360),
    "efficientnet_lite0": (4_652_008, 296),
    "efficientnet_lite2": (6_092_072, 386),
    "mobilenet_v2": (3_504_872, 314),
    "mobilenet_v3_small": (2_542_856, 244),
}
# Some of torchvision's names, one of each kind of layer, with the shapes it documents.
NAMES = {
    "efficientnet_b0": {
        "features.1.0.block.0.0.weight": (32, 1, 3, 3),
        "features.1.0.block.1.fc1.weight": (8, 32, 1, 1),
        "features.2.0.block.0.0.weight": (96, 16, 1, 1),
        "features.2.0.block.2.fc2.bias": (96,),
        "features.6.3.block.3.1.running_var": (192,),
        "features.8.0.weight": (1280, 320, 1, 1),
        "classifier.1.weight": (1000, 1280),
    },
    "mobilenet_v2": {
        "features.1.conv.0.0.weight": (32, 1, 3, 3),
        "features.1.conv.1.weight": (16, 32, 1, 1),
        "features.17.conv.3.running_mean": (320,),
        "features.18.0.weight": (1280, 320, 1, 1),
        "classifier.1.bias": (1000,),
    },
    "mobilenet_v3_small": {
        "features.1.block.0.0.weight": (16, 1, 3, 3),
        "features.1.block.1.fc1.weight": (8, 16, 1, 1),
        "features.2.block.2.0.weight": (24, 72, 1, 1),
        "features.4.block.2.fc1.bias": (24,),
        "features.12.0.weight": (576, 96, 1, 1),
        "classifier.0.weight": (1024, 576),
        "classifier.3.weight": (1000, 1024),
    },
    "efficientnet_lite0": {
        "features.2.0.block.2.0.weight": (24, 96, 1, 1),
        "features.8.0.weight": (1280, 320, 1, 1),
    },
    "efficientnet_lite2": {
        "features.3.2.block.2.0.weight": (48, 288, 1, 1),
        "features.6.4.block.1.0.weight": (1248, 1, 5, 5),
        "features.8.0.weight": (1280, 352, 1, 1),
    },
}
ALL = sorted(backbones.BACKBONES)


def small(name: str, classes: int = 7, **changes: object) -> nn.Module:
    torch.manual_seed(0)
    return backbones.build(ModelRecipe(name, 32, width=0.25, **changes), classes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PUBLISHED)
def test_it_is_the_published_network_but_for_its_grey_stem(name: str) -> None:
    network = backbones.build(ModelRecipe(name, 224), 1000)
    state = network.state_dict()
    stem = state["features.0.0.weight"]
    assert stem.shape[1] == 1
    parameters = sum(each.numel() for each in network.parameters()) + 2 * stem.numel()
    assert (parameters, len(state)) == PUBLISHED[name]
    assert {key: tuple(state[key].shape) for key in NAMES[name]} == NAMES[name]


@pytest.mark.parametrize("name", ALL)
def test_strides_decide_the_size_of_the_last_maps(name: str) -> None:
    usual = len(backbones.BACKBONES[name].STRIDES)  # type: ignore[attr-defined]
    halved = math.prod(backbones.BACKBONES[name].STRIDES)  # type: ignore[attr-defined]
    for strides, expected in [((), 64 // halved), ((1,) * usual, 64), ((1, 2) + (1,) * (usual - 2), 32)]:
        network = small(name, strides=strides).eval()
        with torch.no_grad():
            assert network.features(torch.zeros(1, 1, 64, 64)).shape[-1] == expected
    with pytest.raises(RecipeInvalid, match=f"{name} takes {usual} strides"):
        small(name, strides=(2, 2))


@pytest.mark.parametrize("name", ALL)
def test_a_named_activation_replaces_every_other(name: str) -> None:
    kinds = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish)
    assert {type(each) for each in small(name, activation="relu").modules() if isinstance(each, kinds)} == {
        nn.ReLU
    }


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite2"])
def test_a_lite_network_has_nothing_that_quantizes_badly(name: str) -> None:
    kinds = {type(each).__name__ for each in small(name).modules()}
    assert "ReLU6" in kinds
    assert not kinds & {"SiLU", "SqueezeExcitation", "Sigmoid", "Hardsigmoid", "Hardswish"}


@pytest.mark.parametrize("name", ALL)
def test_a_face_gets_the_same_logits_alone_and_among_others(name: str) -> None:
    network = small(name).eval()
    x = torch.randn(3, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network(x)[1:2], network(x[1:2]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ALL)
def test_every_weight_learns(name: str) -> None:
    network = small(name)
    network(torch.randn(4, 1, 32, 32)).square().sum().backward()
    without = [key for key, each in network.named_parameters() if each.grad is None]
    assert without == []


def test_an_unknown_backbone_lists_the_known() -> None:
    with pytest.raises(
        RecipeInvalid, match=r"unknown backbone 'vgg': choose densenet, efficientnet_b0, .*mobilenet_v2"
    ):
        backbones.build(ModelRecipe("vgg", 48), 7)


@given(st.floats(1, 2000))
def test_scaled_channels_are_multiples_of_eight_and_lose_no_tenth(channels: float) -> None:
    scaled = make_divisible(channels)
    assert scaled % 8 == 0
    assert scaled >= 0.9 * channels
    assert scaled <= max(8, channels + 8)


@settings(deadline=None)
@given(st.floats(0.05, 0.9), st.integers(0, 1000))
def test_dropped_paths_keep_their_expectation(probability: float, seed: int) -> None:
    drop, x = DropPath(probability), torch.ones(4000, 1, 1, 1)
    torch.manual_seed(seed)
    dropped = drop(x)
    assert set(dropped.unique().tolist()) <= {0.0, float(torch.tensor(1.0) / torch.tensor(1 - probability))}
    assert float(dropped.mean()) == pytest.approx(1, abs=5 * (probability / (1 - probability) / 4000) ** 0.5)
    assert torch.equal(drop.eval()(x), x)


def rgb(network: nn.Module) -> dict[str, torch.Tensor]:
    """The state dict of the same network over RGB: a stem of three filters that sum to the grey one."""
    state = {key: value.clone() for key, value in network.state_dict().items()}
    stem = state["features.0.0.weight"]
    first, second = torch.randn_like(stem), torch.randn_like(stem)
    state["features.0.0.weight"] = torch.cat([first, second, stem - first - second], 1)
    return state


@pytest.mark.parametrize("wrapped", ["", "state_dict", "model"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_public_weights_load_and_grey_answers_as_rgb_did(name: str, wrapped: str, tmp_path: Path) -> None:
    source = small(name, classes=1000).eval()
    state = rgb(source)
    torch.save({wrapped: state} if wrapped else state, tmp_path / "w.pth")
    torch.manual_seed(5)
    network = backbones.build(ModelRecipe(name, 32, width=0.25), 7).eval()
    head = {key: value.clone() for key, value in network.state_dict().items()}
    start = start_from(network, tmp_path / "w.pth")
    assert start.taken == len(state) - 2
    assert len(start.fresh) == 2 and all(each.startswith("classifier.") for each in start.fresh)
    grey = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network.features(grey), source.features(grey), atol=1e-4, rtol=1e-3)
        stem = state["features.0.0.weight"]
        torch.testing.assert_close(
            nn.functional.conv2d(grey.expand(-1, 3, -1, -1), stem, padding=1),
            nn.functional.conv2d(grey, network.state_dict()["features.0.0.weight"], padding=1),
            atol=1e-4,
            rtol=1e-3,
        )
    for key in start.fresh:
        assert torch.equal(network.state_dict()[key], head[key])


def test_what_does_not_fit_is_listed_and_nothing_is_changed(tmp_path: Path) -> None:
    network = small("mobilenet_v2")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    wrong = rgb(network)
    wrong["features.18.0.weight"] = torch.zeros(3, 3)
    del wrong["features.1.conv.1.weight"]
    wrong["features.99.weight"] = torch.zeros(1)
    torch.save(wrong, tmp_path / "w.pth")
    with pytest.raises(DataInvalid) as caught:
        start_from(network, tmp_path / "w.pth")
    for words in (
        "features.1.conv.1.weight is missing",
        "features.18.0.weight is 3x3, not 1280x80x1x1",
        "features.99.weight is unknown here",
    ):
        assert words in str(caught.value)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_another_network_is_refused_with_the_first_misfits_and_their_number(tmp_path: Path) -> None:
    torch.save(small("mobilenet_v3_small").state_dict(), tmp_path / "w.pth")
    with pytest.raises(DataInvalid, match=r"does not fit this network: .* and \d+ more$"):
        start_from(small("efficientnet_b0"), tmp_path / "w.pth")


@pytest.mark.parametrize("content", [[1, 2], {}, {"epoch": 3}])
def test_a_file_that_is_no_state_dict_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(DataInvalid, match="is not a"):
        start_from(small("mobilenet_v2"), tmp_path / "w.pth")


def as_first_released(network: nn.Module) -> dict[str, torch.Tensor]:
    """The network's RGB weights under the names of TensorFlow's release, as PyTorch packages carry them."""
    names = ["_conv_stem.weight", *normalisation("_bn0")]
    blocks = [name for name in network.state_dict() if name.endswith(".block.0.0.weight")]
    for number in range(len(blocks)):
        block = f"_blocks.{number}."
        if number:
            names += [f"{block}_expand_conv.weight", *normalisation(f"{block}_bn0")]
        names += [f"{block}_depthwise_conv.weight", *normalisation(f"{block}_bn1")]
        if any(".fc1." in name for name in network.state_dict()):
            names += [
                f"{block}_se_{part}.{kind}" for part in ("reduce", "expand") for kind in ("weight", "bias")
            ]
        names += [f"{block}_project_conv.weight", *normalisation(f"{block}_bn2")]
    names += ["_conv_head.weight", *normalisation("_bn1"), "_fc.weight", "_fc.bias"]
    return dict(zip(names, rgb(network).values(), strict=True))


def normalisation(name: str) -> list[str]:
    return [
        f"{name}.{kind}" for kind in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    ]


@pytest.mark.parametrize("name", ["efficientnet_b0", "efficientnet_lite0", "efficientnet_lite2"])
def test_the_first_release_s_names_and_epsilon_are_understood(name: str, tmp_path: Path) -> None:
    source = small(name, classes=1000).eval()
    for module in source.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-3
            nn.init.uniform_(module.running_var, 0.01, 2)
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
    torch.save(as_first_released(source), tmp_path / "w.pth")
    network = backbones.build(ModelRecipe(name, 32, width=0.25), 7).eval()
    start_from(network, tmp_path / "w.pth")
    grey = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        theirs, ours = source.features(grey), network.features(grey)
    assert float(theirs.std()) > 0.01
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("first_release", [False, True])
def test_b0_starts_from_its_lite_sister_with_open_gates(first_release: bool, tmp_path: Path) -> None:
    lite = small("efficientnet_lite0")
    torch.save(as_first_released(lite) if first_release else lite.state_dict(), tmp_path / "w.pth")
    network = small("efficientnet_b0")
    start = start_from(network, tmp_path / "w.pth")
    state = network.state_dict()
    assert start.taken == len(lite.state_dict())
    assert sum(".fc" in name for name in start.fresh) == len(start.fresh) == 4 * 16
    torch.testing.assert_close(
        state["features.6.3.block.3.0.weight"], lite.state_dict()["features.6.3.block.2.0.weight"]
    )
    torch.testing.assert_close(
        state["features.1.0.block.2.0.weight"], lite.state_dict()["features.1.0.block.1.0.weight"]
    )
    assert set(state["features.5.0.block.2.fc2.bias"].tolist()) == {2.0}


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_a_depthwise_layer_learns_in_float32_where_bfloat16_is_slow(kernel: int, stride: int) -> None:
    torch.manual_seed(1)
    layer = DepthwiseConv2d(8, 8, kernel, stride, kernel // 2, groups=8, bias=False)
    x = torch.randn(2, 8, 9, 9, requires_grad=True)
    exact = nn.functional.conv2d(x, layer.weight, None, stride, kernel // 2, 1, 8)
    wanted = torch.autograd.grad(exact.square().sum(), (x, layer.weight))
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
        assert layer.eval()(x).dtype == torch.bfloat16
    assert y.dtype == (torch.bfloat16 if (kernel, stride) == (3, 1) else torch.float32)
    got = torch.autograd.grad(y.float().square().sum(), (x, layer.weight))
    tolerance = 0.1 if y.dtype == torch.bfloat16 else 1e-5
    for mine, right in zip(got, wanted, strict=True):
        torch.testing.assert_close(mine, right, atol=tolerance, rtol=tolerance)
