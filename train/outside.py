"""A network of somebody else's, asked for soft labels at the resolution that faces have.

face-api's FaceExpressionNet (MIT): an npm package of that project carries it as ``face_expression_model.bin``
with ``face_expression_model-weights_manifest.json``. It is read as it lies there: 8-bit weights with a scale
and a minimum each, for dense blocks of separable convolutions at 112 px. No file of it is part of this.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from edge.commands.progress import Progress
from edge.errors import DataInvalid
from faces.labels import EXPRESSIONS

Floats = npt.NDArray[np.float32]
MANIFEST, WEIGHTS = "face_expression_model-weights_manifest.json", "face_expression_model.bin"
NAME = "faceapi"
SIDE = 112
# Its means of red, green and blue, and its order of labels.
MEANS = (122.782, 117.001, 104.298)
ORDER = ("neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise")
BLOCKS, DEPTH = 4, 4
# The likeliest temperature on FER2013's public labels.
TEMPERATURE = 5.94


class FaceExpressionNet(nn.Module):
    """Four dense blocks of separable convolutions and one layer of 7 outputs.

    ``arrays``: the network's weights by their names in the manifest, float32, TensorFlow's layouts. Takes
    grey levels 0-255, float32 [N, 1, SIDE, SIDE], and answers logits [N, 7] in EXPRESSIONS' order.
    """

    def __init__(self, arrays: dict[str, Floats]) -> None:
        super().__init__()
        self._weights = {name: torch.from_numpy(_as_torch(name, array)) for name, array in arrays.items()}
        self._means = torch.tensor(MEANS).view(1, 3, 1, 1)
        self._order = [ORDER.index(label) for label in EXPRESSIONS]

    def forward(self, grey: torch.Tensor) -> torch.Tensor:
        """Logits [N, 7]."""
        x = (grey.expand(-1, 3, -1, -1) - self._means) / 255
        for block in range(BLOCKS):
            x = self._dense(x, f"dense{block}")
        logits = x.mean((2, 3)) @ self._weights["fc/weights"] + self._weights["fc/bias"]
        return logits[:, self._order]

    def _dense(self, x: torch.Tensor, block: str) -> torch.Tensor:
        first = self._layer(x, f"{block}/conv0", 2)
        total = last = F.relu(first)
        for number in range(1, DEPTH):
            total = total + self._layer(last, f"{block}/conv{number}", 1)
            last = F.relu(total)
        return last

    def _layer(self, x: torch.Tensor, name: str, stride: int) -> torch.Tensor:
        # TensorFlow's "same" pads an even side behind only where it is halved.
        x = F.pad(x, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1))
        bias = self._weights[f"{name}/bias"]
        if f"{name}/filters" in self._weights:
            return F.conv2d(x, self._weights[f"{name}/filters"], bias, stride)
        apart = F.conv2d(x, self._weights[f"{name}/depthwise_filter"], None, stride, groups=x.shape[1])
        return F.conv2d(apart, self._weights[f"{name}/pointwise_filter"], bias)


def read(folder: Path) -> FaceExpressionNet:
    """The network in ``folder``, the package's folder ``model``. Raises DataInvalid."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        entries = [entry for part in content for entry in part["weights"]]
        data = (folder / WEIGHTS).read_bytes()
        arrays = _arrays(entries, data)
        network = FaceExpressionNet(arrays)
        network.eval()
        return network
    except OSError as error:
        raise DataInvalid(f"'{folder}' is not face-api's folder 'model': {error}") from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DataInvalid(
            f"'{folder}' holds no FaceExpressionNet that can be read: {type(error).__name__}: {error}"
        ) from error


def answers(network: FaceExpressionNet, faces: npt.NDArray[np.uint8], batch: int = 64) -> Floats:
    """Its probabilities at ``TEMPERATURE``, float32 [N, 7], of ``faces`` [N, H, W].

    Each is the mean of what it says of the face and of its mirror image.
    """
    parts = []
    with Progress("asking face-api's network", len(faces), "faces") as progress, torch.inference_mode():
        for start in range(0, len(faces), batch):
            chosen = [
                cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
                for face in faces[start : start + batch]
            ]
            grey = torch.from_numpy(np.stack(chosen)).unsqueeze(1).float()
            both = [(network(x) / TEMPERATURE).softmax(1) for x in (grey, grey.flip(3))]
            parts.append(((both[0] + both[1]) / 2).numpy())
            progress.advance(len(chosen))
    return np.concatenate(parts)


def _arrays(entries: Sequence[dict[str, Any]], data: bytes) -> dict[str, Floats]:
    arrays, at = {}, 0
    for entry in entries:
        shape, how = tuple(entry["shape"]), entry.get("quantization")
        kept = np.dtype(how["dtype"] if how else entry["dtype"])
        count = int(np.prod(shape))
        raw = np.frombuffer(data, kept, count, at).astype(np.float32)
        at += count * kept.itemsize
        arrays[entry["name"]] = (raw * how["scale"] + how["min"] if how else raw).reshape(shape)
    if at != len(data):
        raise ValueError(f"{WEIGHTS} has {len(data)} bytes, and its manifest tells of {at}")
    return {name: np.asarray(array, np.float32) for name, array in arrays.items()}


def _as_torch(name: str, array: Floats) -> Floats:
    if array.ndim != 4:
        return array
    turned = array.transpose(2, 3, 0, 1) if name.endswith("depthwise_filter") else array.transpose(3, 2, 0, 1)
    return np.ascontiguousarray(turned)
