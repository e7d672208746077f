"""Public weights as a start: ImageNet's RGB filters brought to grey, and what does not fit told by name.

An EfficientNet may also start from its Lite sister, which is the same network without
squeeze-and-excitation: its gates then begin nearly open.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edge.errors import DataInvalid
from train import lineage
from train.backbones.trunk import Trunk
from train.checkpoint import content_of, read_bytes

NAMED = 8  # tensors that a message lists by name


@dataclass(frozen=True)
class Start:
    """What was taken from a file: how many tensors, which were left as they were, and its sha256.

    ``before``: where the file is an earlier run's, the digests of what that one began with.
    """

    taken: int
    fresh: tuple[str, ...]
    sha256: str
    before: tuple[str, ...] = ()


def start_from(model: nn.Module, path: Path) -> Start:
    """Copy the weights of ``path`` into ``model``, by name; the last linear layer may be of another shape.

    ``path`` holds a state dict, alone or under "model" or "state_dict". A first filter over RGB is summed
    to one over grey: a grey picture shown to the original would give the very same maps. A trunk takes its
    part of a whole network's weights.
    Raises DataInvalid with a list of what did not fit, and then changes nothing.
    """
    content = content_of(path)
    saved = read_bytes(content, path, ())
    before = lineage.read(saved).starts
    given = _state_dict(saved, path)
    own = model.state_dict()
    if isinstance(model, Trunk):
        given = {name: tensor for name, tensor in given.items() if not model.leaves_out(name)}
    if "_conv_stem.weight" in given:
        given = _renamed(given, own)
    gates = {name for name in own if ".fc1." in name or ".fc2." in name}
    if gates and not any(".fc1." in name for name in given):
        given = _shifted(given, own) | _open(own, gates)
    else:
        gates = set()
    head = _head(model)
    fitting: dict[str, torch.Tensor] = {}
    misfits: list[str] = []
    fresh: list[str] = []
    for name, mine in own.items():
        theirs = given.get(name)
        if (
            theirs is not None
            and theirs.ndim == 4
            and mine.ndim == 4
            and (theirs.shape[1], mine.shape[1]) == (3, 1)
        ):
            theirs = theirs.sum(1, keepdim=True)
        if theirs is not None and theirs.shape == mine.shape:
            fitting[name] = theirs
            if name in gates:
                fresh.append(name)
        elif name in head:
            fresh.append(name)
        elif theirs is None:
            misfits.append(f"{name} is missing")
        else:
            misfits.append(f"{name} is {_shape(theirs)}, not {_shape(mine)}")
    misfits += [f"{name} is unknown here" for name in given if name not in own]
    if misfits:
        raise DataInvalid(f"'{path}' does not fit this network: {names(misfits, '; ')}")
    model.load_state_dict(own | fitting)
    taken = len(fitting) - len(gates)
    return Start(taken, tuple(fresh), hashlib.sha256(content).hexdigest(), before)


def names(tensors: Sequence[str], between: str = ", ") -> str:
    """The first ``NAMED`` of them, and how many more there are."""
    more = f" and {len(tensors) - NAMED} more" if len(tensors) > NAMED else ""
    return between.join(tensors[:NAMED]) + more or "none"


def _state_dict(saved: dict[str, Any], path: Path) -> dict[str, torch.Tensor]:
    for key in ("model", "state_dict"):
        if isinstance(saved.get(key), dict):
            saved = saved[key]
    if not saved or not all(isinstance(value, torch.Tensor) for value in saved.values()):
        raise DataInvalid(f"'{path}' is not a state dict: give a file of weights by name")
    return saved


# TensorFlow's EfficientNets divide by the root of variance + 1e-3, torch by that of variance + 1e-5.
_THEIR_EPSILON, _OUR_EPSILON = 1e-3, 1e-5
# The sigmoid of 2 is 0.88.
_OPEN = 2.0


def _renamed(given: dict[str, torch.Tensor], own: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """An EfficientNet's weights under torchvision's names instead of those of TensorFlow's first release.

    That is how the public weights of EfficientNet-Lite come (``_blocks.0._bn1.weight``). Names that have no
    place in ``own`` are kept, so that the caller can list them.
    """
    firsts = [name for name in own if name.endswith(".block.0.0.weight")]
    blocks = [name.removesuffix("block.0.0.weight") for name in firsts]
    places = {"_conv_stem": "features.0.0", "_bn0": "features.0.1", "_fc": "classifier.1"}
    last = len({name.split(".")[1] for name in blocks}) + 1
    places |= {"_conv_head": f"features.{last}.0", "_bn1": f"features.{last}.1"}
    for number, block in enumerate(blocks):
        theirs = f"_blocks.{number}."
        # The first block does not expand: it has no first convolution, and one normalisation fewer.
        layers = [("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1")][0 if number else 1 :]
        for layer, (convolution, norm) in enumerate(layers):
            places |= {
                theirs + convolution: f"{block}block.{layer}.0",
                theirs + norm: f"{block}block.{layer}.1",
            }
        excite = f"{block}block.{len(layers)}."
        if f"{excite}fc1.weight" in own:
            places |= {f"{theirs}_se_reduce": f"{excite}fc1", f"{theirs}_se_expand": f"{excite}fc2"}
            excite = f"{block}block.{len(layers) + 1}."
        places |= {f"{theirs}_project_conv": f"{excite}0", f"{theirs}_bn2": f"{excite}1"}
    renamed: dict[str, torch.Tensor] = {}
    for name, tensor in given.items():
        module, _, kind = name.rpartition(".")
        scale: float | torch.Tensor = 1
        if kind == "weight" and f"{module}.running_var" in given:
            spread = given[f"{module}.running_var"]
            scale = ((spread + _OUR_EPSILON) / (spread + _THEIR_EPSILON)).sqrt()
        renamed[f"{places.get(module, module)}.{kind}"] = tensor * scale
    return renamed


def _shifted(given: dict[str, torch.Tensor], own: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Lite's weights under the names of a network whose blocks have a gate before their last layer."""
    gated = [name.removesuffix("fc1.weight") for name in own if name.endswith(".fc1.weight")]
    after = {}
    for gate in gated:
        block, _, place = gate.rstrip(".").rpartition(".")
        if f"{block}.{int(place) + 1}.0.weight" not in given:
            after[gate] = f"{block}.{int(place) + 1}."
    moved = {}
    for name, tensor in given.items():
        gate = next((gate for gate in after if name.startswith(gate)), "")
        moved[after[gate] + name.removeprefix(gate) if gate else name] = tensor
    return moved


def _open(own: dict[str, torch.Tensor], gates: set[str]) -> dict[str, torch.Tensor]:
    """The gates' own fresh weights, their last bias moved so that they let 0.88 of everything through."""
    return {
        name: torch.full_like(own[name], _OPEN) if name.endswith(".fc2.bias") else own[name] for name in gates
    }


def _head(model: nn.Module) -> set[str]:
    """Names of the last linear layer's parameters, if there is one: classes differ from ImageNet's."""
    linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    return {f"{linear[-1]}.{kind}" for kind in ("weight", "bias")} if linear else set()


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"
