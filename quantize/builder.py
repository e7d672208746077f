"""The seam between ferlite and a quantizer: what a builder is, and how one is chosen."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from edge.bundle_files.sections import InputSpec, Layout
from edge.errors import DataInvalid, EngineUnknown
from quantize.builders.table import BUILDERS
from quantize.network.export import Exported
from quantize.recipe import Recipe


@dataclass(frozen=True)
class Built:
    """One engine's model. ``parts``: suffix -> content (".onnx"; ".xml" and ".bin")."""

    parts: Mapping[str, bytes]
    precision: str
    layout: Layout = "NCHW"

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(len(part) for part in self.parts.values())


@dataclass(frozen=True)
class Float:
    """The float network as builders are given it; ``told``: values of its extra inputs (``Source.told``)."""

    name: str
    exported: Exported
    input: InputSpec
    told: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)


class Builder(Protocol):
    """Makes one engine's models. Raises BuildFailed, RecipeInvalid and EngineError.

    ``corrects_bias``: whether its quantizer has a bias correction of its own. ``needs_program``: whether it
    starts from the saved torch program instead of the ONNX form.
    """

    corrects_bias: bool
    needs_program: bool

    def versions(self) -> dict[str, str]:
        """Every library that shapes the bytes, and its version."""
        ...

    def plain(self, network: Float) -> Built:
        """The float model, which int8 is held against."""
        ...

    def quantize(self, network: Float, plain: Built, recipe: Recipe, faces: npt.NDArray[np.uint8]) -> Built:
        """The recipe's model, calibrated on ``faces`` uint8 [N, H, W]; ``plain`` is the float model."""
        ...


def refuse_calibration(recipe: Recipe, faces: npt.NDArray[Any]) -> None:
    """Raise DataInvalid unless there are faces to calibrate on, grey levels uint8 [N, H, W]."""
    if faces.dtype != np.uint8 or faces.ndim != 3 or not faces.size:
        raise DataInvalid(
            f"recipe '{recipe.name}': calibration wants grey faces uint8 N x H x W, not {faces.dtype} "
            f"{' x '.join(map(str, faces.shape))}"
        )


def builder(engine: str) -> Builder:
    """The named engine's builder. Raises EngineUnknown."""
    if engine not in BUILDERS:
        raise EngineUnknown(f"nothing builds for engine '{engine}': choose {', '.join(BUILDERS)}")
    module, attribute = BUILDERS[engine].split(":")
    made: Any = getattr(importlib.import_module(module), attribute)()
    return cast("Builder", made)
