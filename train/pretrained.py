"""Public weights as a start: ImageNet's RGB filters brought to grey, and what does not fit told by name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edge.errors import DataInvalid
from train.checkpoint import content_of, read_bytes

NAMED = 8  # misfits that a message lists by name


@dataclass(frozen=True)
class Start:
    """What was taken from a file: how many tensors, which were left as they were, and its sha256."""

    taken: int
    fresh: tuple[str, ...]
    sha256: str


def start_from(model: nn.Module, path: Path) -> Start:
    """Copy the weights of ``path`` into ``model``, by name; the last linear layer may be of another shape.

    ``path`` holds a state dict, alone or under "model" or "state_dict". A first filter over RGB is summed
    to one over grey: a grey picture shown to the original would give the very same maps.
    Raises DataInvalid with a list of what did not fit, and then changes nothing.
    """
    content = content_of(path)
    given = _state_dict(read_bytes(content, path, ()), path)
    own = model.state_dict()
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
        elif name in head:
            fresh.append(name)
        elif theirs is None:
            misfits.append(f"{name} is missing")
        else:
            misfits.append(f"{name} is {_shape(theirs)}, not {_shape(mine)}")
    misfits += [f"{name} is unknown here" for name in given if name not in own]
    if misfits:
        more = f" and {len(misfits) - NAMED} more" if len(misfits) > NAMED else ""
        raise DataInvalid(f"'{path}' does not fit this network: {'; '.join(misfits[:NAMED])}{more}")
    model.load_state_dict(own | fitting)
    return Start(len(fitting), tuple(fresh), hashlib.sha256(content).hexdigest())


def _state_dict(saved: dict[str, Any], path: Path) -> dict[str, torch.Tensor]:
    for key in ("model", "state_dict"):
        if isinstance(saved.get(key), dict):
            saved = saved[key]
    if not saved or not all(isinstance(value, torch.Tensor) for value in saved.values()):
        raise DataInvalid(f"'{path}' is not a state dict: give a file of weights by name")
    return saved


def _head(model: nn.Module) -> set[str]:
    """Names of the last linear layer's parameters: classes differ from ImageNet's."""
    last = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)][-1]
    return {f"{last}.weight", f"{last}.bias"}


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"
