"""What tests of several packages ask of a bundle's models."""

from __future__ import annotations

import numpy as np

from edge.bundle import Bundle


def integers_throughout(bundle: Bundle) -> bool:
    """Whether nothing in the .tflite is float but the face that goes in and the logits that come out."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=bundle.model("tflite").parts[".tflite"])
    return sum(each["dtype"] == np.float32 for each in runner.get_tensor_details()) == 2
