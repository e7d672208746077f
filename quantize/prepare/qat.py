"""Quantization-aware training, the ladder's last rung: the network learns to bear 8 bits.

The trained network goes on learning for a few hundred steps with its weights and activations rounded as int8
will round them, gradients passing straight through the rounding (Jacob et al., CVPR 2018; the batch
normalisation is folded before, as Krishnamoorthi, 2018, advises for a short training). What it learns from
is mostly the float network's own answers (Hinton et al., 2015), on the faces of its training recipe with that
recipe's changes to them. What comes out is a float network: the recipe's builder quantizes it as any other.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from typing import Any

import torch
import torch.fx
from torch import nn
from torch.nn.utils import parametrize

from edge.commands.progress import Progress
from edge.errors import BuildFailed, RecipeInvalid
from faces.face_set import FaceSet
from quantize.network.export import Exported, export, fold
from quantize.network.source import RECIPE_FILE, Source
from quantize.recipe import QatRecipe
from train.batches import Batches
from train.recipe import parse
from train.teacher import distillation_loss

LEVELS = 255
# How fast an activation's range follows the batches, and the share of steps after which it stands still.
FOLLOW, SETTLE = 0.05, 0.7
QUANTIZED_MODULES = (
    nn.ReLU,
    nn.ReLU6,
    nn.SiLU,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Sigmoid,
    nn.AdaptiveAvgPool2d,
)
QUANTIZED_CALLS = ("add", "mul", "mean", "iadd", "imul")


class RoundedWeight(nn.Module):  # type: ignore[misc]
    """A weight as 8 bits per output channel would have it: symmetric, from its extremes."""

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Any shape, output channels first; the same shape."""
        largest = weight.detach().abs().flatten(1).amax(1)
        scale = torch.where(largest > 0, largest / 127, torch.ones_like(largest))
        zero = torch.zeros_like(scale, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -127, 127)


class RoundedActivation(nn.Module):  # type: ignore[misc]
    """An activation as 8 bits would have it; the range follows the extremes of the batches."""

    low: torch.Tensor
    high: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))
        self.follows = True

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape; the same shape."""
        if self.training and self.follows:
            low, high = x.detach().amin().clamp(max=0), x.detach().amax().clamp(min=0)
            share = FOLLOW if self.high > self.low else 1.0
            self.low.lerp_(low, share)
            self.high.lerp_(high, share)
        scale = ((self.high - self.low) / LEVELS).clamp(min=1e-8)
        zero = (-self.low / scale).round().clamp(0, LEVELS).to(torch.int32)
        return torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, LEVELS)


def train_quantized(source: Source, train: FaceSet, how: QatRecipe) -> Exported:
    """The network after ``how.steps`` steps, exported.

    Raises BuildFailed, DataInvalid, RecipeInvalid, and UsageError for one that is told more than a face.
    """
    source.refuse_told("training for int8 (qat)", "give a ladder without it, as --ladder short")
    folded = fold(source.network)
    teacher = copy.deepcopy(folded).eval()
    student = with_rounding(folded)
    learn(student, teacher, source, train, how)
    trained = without_rounding(student, folded)
    return export(dataclasses.replace(source, model=trained, graph=None))


def with_rounding(folded: nn.Module) -> Any:
    """A copy of a folded, traced network with its weights, activations and input rounded in training."""
    student: Any = copy.deepcopy(folded)
    modules = dict(student.named_modules())
    for module in modules.values():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            parametrize.register_parametrization(module, "weight", RoundedWeight())
    for number, node in enumerate([each for each in student.graph.nodes if _rounds(each, modules)]):
        name = f"rounded_{number}"
        student.add_module(name, RoundedActivation())
        with student.graph.inserting_after(node):
            rounded = student.graph.call_module(name, (node,))
        node.replace_all_uses_with(rounded, delete_user_cb=lambda user, new=rounded: user is not new)
    student.recompile()
    return student


def without_rounding(student: nn.Module, folded: nn.Module) -> nn.Module:
    """``folded`` with what ``student`` learnt, in place."""
    for name, module in folded.named_modules():
        if not isinstance(module, (nn.Conv2d, nn.Linear)):
            continue
        learnt: Any = student.get_submodule(name)
        with torch.no_grad():
            module.weight.copy_(learnt.parametrizations.weight.original)
            if module.bias is not None:
                module.bias.copy_(learnt.bias)
    return folded.eval()


def learn(student: Any, teacher: nn.Module, source: Source, train: FaceSet, how: QatRecipe) -> None:
    """Take ``how.steps`` steps. Raises BuildFailed where the loss is not a number."""
    if source.recipe_file != RECIPE_FILE:
        raise RecipeInvalid(f"qat trains as the run did, and '{source.name}' comes without a training recipe")
    recipe = parse(source.recipe_text, source.name)
    settings = dataclasses.replace(
        recipe.train, batch_size=how.batch_size, epochs=100_000, sizes=(), seed=how.seed, label_smoothing=0.0
    )
    batches = Batches(dataclasses.replace(recipe, train=settings), train)
    optimizer = torch.optim.SGD(student.parameters(), how.lr, momentum=0.9, nesterov=True)
    activations = [each for each in student.modules() if isinstance(each, RoundedActivation)]
    with Progress(f"training {source.name} for int8", how.steps, "steps") as progress:
        for step in range(how.steps):
            grey, y, _ = batches.at(step)
            x = (grey - recipe.data.mean) / recipe.data.std
            for group in optimizer.param_groups:
                group["lr"] = how.lr * 0.5 * (1 + math.cos(math.pi * step / how.steps))
            for each in activations:
                each.train()
                each.follows = step < SETTLE * how.steps
            with torch.no_grad():
                taught = (teacher(x) / how.temperature).softmax(1)
            logits = student(x)
            loss = how.distill * distillation_loss(logits, taught, how.temperature)
            loss = loss + (1 - how.distill) * batches.lessons.loss(logits, y)
            if not torch.isfinite(loss):
                raise BuildFailed(f"the loss is not a finite number at step {step} of qat: lower qat.lr")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            progress.advance(1, f"loss {float(loss.detach()):.3f}")


def _rounds(node: torch.fx.Node, modules: dict[str, nn.Module]) -> bool:
    """Whether 8 bits hold what the node gives: the input, and each layer after its activation."""
    if node.op == "placeholder":
        return True
    if node.op == "call_module":
        module = modules[str(node.target)]
        if isinstance(module, QUANTIZED_MODULES):
            return True
        if not isinstance(module, (nn.Conv2d, nn.Linear)):
            return False
        users = list(node.users)
        alone = len(users) == 1 and users[0].op == "call_module"
        return not (alone and isinstance(modules[str(users[0].target)], QUANTIZED_MODULES))
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    return node.op in ("call_function", "call_method") and name.rstrip("_") in QUANTIZED_CALLS
