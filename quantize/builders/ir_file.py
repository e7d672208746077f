"""OpenVINO's IR written small: what does not compute takes no room in it."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np


def save(model: Any) -> dict[str, bytes]:
    """The model's .xml and .bin. Changes the model's inner names."""
    import openvino

    share_limits(model)
    name_by_number(model)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.xml"
        openvino.save_model(model, target, compress_to_fp16=False)
        return {".xml": without_blanks(target.read_bytes()), ".bin": target.with_suffix(".bin").read_bytes()}


def share_limits(model: Any) -> None:
    """Give a fake quantizer one pair of limits where those of its input and its output are equal."""
    for each in model.get_ops():
        if each.get_type_name() != "FakeQuantize":
            continue
        for given, made in ((1, 3), (2, 4)):
            first, second = (each.input_value(port).get_node() for port in (given, made))
            constants = all(node.get_type_name() == "Constant" for node in (first, second))
            if constants and np.array_equal(first.data, second.data):
                each.input(made).replace_source_output(first.output(0))


def name_by_number(model: Any) -> None:
    """Short names within, the same in every run: the library's own count up as long as a process lives."""
    for number, each in enumerate(model.get_ordered_ops()):
        if each.get_type_name() in ("Parameter", "Result"):
            continue
        each.set_friendly_name(str(number))
        for output in each.outputs():
            ends = [user.get_node().get_type_name() for user in output.get_target_inputs()]
            if "Result" not in ends:
                output.set_names(set())


def without_blanks(xml: bytes) -> bytes:
    """The text without the line breaks and tabs between its tags."""
    return re.sub(rb">\s+<", b"><", xml)
