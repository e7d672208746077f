from __future__ import annotations
from dataclasses import dataclass
from typing import Literal
@dataclass(frozen=True)
class InputSpec:
    size: int
    colour: Literal["grey", "rgb", "bgr"]
    mean: tuple[float, ...]
    std: tuple[float, ...]
