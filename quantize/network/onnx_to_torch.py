"""An ONNX graph in our normal form as a torch network, for what needs one: LiteRT's converter, other sizes.

Each operator that can be read has a line in ``torch_layers`` or ``torch_shapes``; any other is refused by
name. Layers are called after their weights (``features.0.0`` for ``features.0.0.weight``), so that recipes
can name them as they name a training run's.
"""

from __future__ import annotations

from torch import nn

from quantize.network.torch_layers import LAYERS
from quantize.network.torch_reading import Reading
from quantize.network.torch_shapes import SHAPES

OPERATORS = {**LAYERS, **SHAPES}


def to_torch(content: bytes, where: str) -> nn.Module:
    """The network of an ONNX file in our normal form, in evaluation mode.

    ``where`` names it in messages. Raises DataInvalid.
    """
    import onnx

    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(content))
    return Reading(model, where, OPERATORS).network()
