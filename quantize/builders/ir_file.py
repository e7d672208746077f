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

    drop_clamps(model)
    share_limits(model)
    name_by_number(model)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.xml"
        openvino.save_model(model, target, compress_to_fp16=False)
        return {".xml": compact(target.read_bytes()), ".bin": target.with_suffix(".bin").read_bytes()}


def drop_clamps(model: Any) -> int:
    """Leave out each clamp before a fake quantizer that cuts off as much or more; returns how many."""
    dropped = 0
    for each in model.get_ops():
        if each.get_type_name() != "FakeQuantize":
            continue
        before = each.input_value(0).get_node()
        low, high = (_scalar(each.input_value(port).get_node()) for port in (1, 2))
        if before.get_type_name() != "Clamp" or low is None or high is None:
            continue
        limits = before.get_attributes()
        if limits["min"] <= low and high <= limits["max"]:
            each.input(0).replace_source_output(before.input_value(0))
            dropped += 1
    return dropped


def share_limits(model: Any) -> None:
    """Let all fake quantizers that have a limit in common have it from one constant."""
    known: dict[tuple[bytes, str], Any] = {}
    for each in model.get_ordered_ops():
        if each.get_type_name() != "FakeQuantize":
            continue
        for port in range(1, 5):
            limit = each.input_value(port).get_node()
            if limit.get_type_name() == "Constant":
                key = (limit.data.tobytes(), str(limit.output(0).get_partial_shape()))
                each.input(port).replace_source_output(known.setdefault(key, limit).output(0))


def _scalar(node: Any) -> float | None:
    """A constant's one value."""
    if node.get_type_name() != "Constant" or node.data.size != 1:
        return None
    return float(np.asarray(node.data).reshape(-1)[0])


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


def compact(xml: bytes) -> bytes:
    """The text without blanks between tags, what is so by default, and notes on how it was made."""
    without_notes = re.sub(rb"</edges>.*</net>", b"</edges></net>", xml, flags=re.DOTALL)
    plain = re.sub(rb"\s+(?=/>)", b"", re.sub(rb">\s+<", b"><", without_notes))
    return plain.replace(b' auto_broadcast="numpy"', b"").strip()
