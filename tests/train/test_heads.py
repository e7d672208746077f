"""The mechanisms that systems are made of, each held by what it must do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from train import backbones
from train.backbones.trunk import Trunk
from train.heads.attention import ChannelGate, SpatialGate, opened
from train.heads.quantum import QuantumStem, unitary
from train.heads.regions import WindowPooling, windows
from train.losses.adversarial import domain_loss, ramp, reverse_gradient
from train.losses.pseudo import agreed, pseudo_loss
from train.recipe import ModelRecipe


def state_vector(pixels: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """<Z> of each qubit, gate by gate on a complex state of four axes: an implementation of its own."""

    def turn(state: np.ndarray, qubit: int, angle: float) -> np.ndarray:
        gate = np.array([[np.cos(angle / 2), -np.sin(angle / 2)], [np.sin(angle / 2), np.cos(angle / 2)]])
        return np.moveaxis(np.tensordot(gate, state, ([1], [qubit])), 0, qubit)

    def cnot(state: np.ndarray, control: int, target: int) -> np.ndarray:
        moved = np.moveaxis(state, (control, target), (0, 1)).copy()
        moved[1] = moved[1, ::-1].copy()
        return np.moveaxis(moved, (0, 1), (control, target))

    state = np.zeros((2, 2, 2, 2), np.complex128)
    state[0, 0, 0, 0] = 1
    for qubit, pixel in enumerate(pixels):
        state = turn(state, qubit, np.pi * pixel)
    for layer in angles:
        for qubit, angle in enumerate(layer):
            state = turn(state, qubit, angle)
        for qubit in range(4):
            state = cnot(state, qubit, (qubit + 1) % 4)
    chances = np.abs(state) ** 2
    assert chances.sum() == pytest.approx(1)
    axes = range(4)
    return np.array([chances.sum(tuple(a for a in axes if a != q)) @ np.array([1.0, -1.0]) for q in axes])


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_quantum_stem_is_the_circuit_it_says_it_is(layers: int) -> None:
    torch.manual_seed(3)
    mean, std = 120.0, 60.0
    stem = QuantumStem(mean, std, filters=3, layers=layers).double()
    levels = torch.rand(2, 1, 6, 8, dtype=torch.float64)
    x = (levels * 255 - mean) / std
    trained, still = stem(x), stem.eval()(x)
    assert trained.shape == (2, 12, 3, 4)
    torch.testing.assert_close(trained, still)
    for face, row, column, which in ((0, 0, 0, 0), (1, 2, 3, 1), (0, 1, 2, 2)):
        patch = levels[face, 0, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].reshape(4).numpy()
        wanted = state_vector(patch, stem.angles[which].detach().numpy())
        given = still[face, 4 * which : 4 * which + 4, row, column].detach().numpy()
        np.testing.assert_allclose(given, wanted, atol=1e-6)


def test_a_circuit_is_orthogonal_and_its_angles_learn() -> None:
    matrix = unitary(torch.rand(2, 4) * 6)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(16), atol=1e-6, rtol=0)
    stem = QuantumStem(0.0, 255.0)
    stem(torch.rand(1, 1, 4, 4)).square().mean().backward()
    assert stem.angles.grad is not None and stem.angles.grad.abs().sum() > 0


def test_averaged_angles_make_circuits_of_their_own_when_judged() -> None:
    stem = QuantumStem(0.0, 255.0).eval()
    with torch.no_grad():
        stem.angles.add_(1.0)
    stem.eval()
    matrix = stem.unitaries[:16, :, 0, 0]
    torch.testing.assert_close(matrix, unitary(stem.angles[0]).detach())


def test_a_circuit_in_training_is_exact_whatever_the_precision_around_it() -> None:
    stem, x = QuantumStem(120.0, 60.0), torch.randn(2, 1, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        around = stem(x)
    assert around.dtype == torch.float32
    torch.testing.assert_close(around, stem(x), rtol=0, atol=1e-6)


def test_an_opened_gate_lets_all_through_as_it_was_and_learns_from_its_first_step() -> None:
    x = torch.rand(4, 24, 6, 6)
    for gate in (ChannelGate(24), SpatialGate()):
        y = opened(gate)(x)
        assert torch.equal(y, x)
        (y * torch.rand(4, 24, 6, 6)).sum().backward()
        last = gate.fc2 if isinstance(gate, ChannelGate) else gate.conv
        assert last.weight.grad is not None and last.weight.grad.abs().max() > 0


def test_gates_keep_the_shape_and_only_make_less() -> None:
    x = torch.randn(2, 24, 6, 6)
    for gate in (ChannelGate(24), SpatialGate()):
        y = gate(x)
        assert y.shape == x.shape
        share = y / x
        assert share.min() > 0 and share.max() < 1
    by_channel = ChannelGate(24)(x) / x
    torch.testing.assert_close(by_channel, by_channel[:, :, :1, :1].expand_as(x))
    by_place = SpatialGate()(x) / x
    torch.testing.assert_close(by_place, by_place[:, :1].expand_as(x))


def test_windows_lie_around_their_points_and_pool_only_them() -> None:
    assert windows(((0.0, 0.0), (1.0, 1.0), (0.5, 0.5)), 6) == ((0, 2, 0, 2), (4, 6, 4, 6), (2, 4, 2, 4))
    maps = torch.zeros(1, 2, 6, 6)
    maps[0, 0, 4:, 4:] = 3
    assert WindowPooling(((0.0, 0.0), (1.0, 1.0)), 6)(maps).tolist() == [[0, 0, 3, 0]]


def test_a_reversed_gradient_is_the_same_forward_and_turned_back() -> None:
    x = torch.randn(3, 4, requires_grad=True)
    y = reverse_gradient(x, 0.3)
    assert torch.equal(y, x)
    y.backward(torch.ones_like(y))
    torch.testing.assert_close(x.grad, torch.full((3, 4), -0.3))


def test_a_critic_learns_to_tell_domains_while_features_learn_that_it_cannot() -> None:
    torch.manual_seed(0)
    critic, features = nn.Linear(2, 1), nn.Parameter(torch.tensor([[1.0, 0], [-1.0, 0]]))
    with torch.no_grad():
        critic.weight.copy_(torch.tensor([[-1.0, 0.0]]))
        critic.bias.zero_()
    loss = domain_loss(critic, features, 1, 1.0)
    loss.backward()
    with torch.no_grad():
        better_critic = nn.Linear(2, 1)
        better_critic.load_state_dict(critic.state_dict())
        better_critic.weight -= 0.1 * critic.weight.grad
        assert domain_loss(better_critic, features, 1, 1.0) < loss
        assert domain_loss(critic, features - 0.1 * features.grad, 1, 1.0) > loss
    assert ramp(0) == 0 and 0.99 < ramp(1) < 1


def test_only_faces_on_which_both_heads_are_sure_and_agree_teach() -> None:
    sure, unsure = torch.tensor([9.0, 0, 0]), torch.tensor([0.3, 0, 0])
    other = torch.tensor([0, 9.0, 0])
    one, two = torch.stack([sure, sure, sure]), torch.stack([sure, other, unsure])
    labels, holds = agreed(one, two, 0.9)
    assert holds.tolist() == [True, False, False] and labels[0] == 0
    logits = torch.zeros(3, 3, requires_grad=True)
    pseudo_loss(logits, labels, holds).backward()
    assert logits.grad is not None and (logits.grad[0] != 0).all() and (logits.grad[1:] == 0).all()
    assert pseudo_loss(logits, labels, torch.zeros(3, dtype=torch.bool)) == 0


@pytest.mark.parametrize("name", list(backbones.BACKBONES))
def test_a_trunk_gives_the_maps_that_its_backbone_makes(name: str) -> None:
    backbone = backbones.build(ModelRecipe(name, 48, width=0.5), 7).eval()
    trunk = Trunk(backbone, 48).eval()
    x = torch.randn(2, 1, 48, 48)
    with torch.no_grad():
        maps = trunk.maps(x)
        whole = backbone.features[-1](maps["last"])
        torch.testing.assert_close(whole, backbone.features(x))
    for key, value in maps.items():
        assert value.shape == (2, trunk.channels[key], trunk.sides[key], trunk.sides[key])
    assert trunk.sides["middle"] > trunk.sides["last"]
    assert set(trunk.state_dict()) <= set(backbone.state_dict())


def test_the_new_backbones_have_the_size_that_they_were_meant_to() -> None:
    def size(name: str) -> int:
        return sum(each.numel() for each in backbones.build(ModelRecipe(name, 48), 7).parameters())

    assert 0.1e6 < size("densenet") < 0.3e6
    assert 0.3e6 < size("resnet_slim") < 0.6e6
