"""YuNet (Wu et al., Machine Intelligence Research 2023), run by our engines with our own decoding."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge import engine as engines
from edge.align import Image
from edge.detect import DetectorOptions
from edge.engine import Array, Engine, ModelFile
from edge.errors import EngineMissing, FerliteError, ModelMismatch
from edge.onnx_file import refuse_external_data, set_input_shape
from edge.results import Box, Face
from edge.weights import WEIGHTS, cached

STRIDES = (8, 16, 32)
KINDS = ("cls", "obj", "bbox", "kps")
SCORE = 0.6
OVERLAP = 0.3
SESSIONS = 6  # frame shapes whose loaded model is kept
Floats = npt.NDArray[np.float32]


class YunetDetector:
    """Box, score and five landmarks from YuNet's .onnx file (2023mar: ``ferlite fetch yunet``)."""

    def __init__(self, options: DetectorOptions) -> None:
        if reason := self.lacks(options):
            raise EngineMissing(reason)
        path = options.model or cached("yunet")
        self._content = _read(path)
        refuse_external_data(self._content, path.name)
        self._name, self._options = path.name, options
        self._score = SCORE if options.score is None else options.score
        self._engine_name = engines.choose(options.engine, engines.readers(".onnx")).name
        self._sessions: OrderedDict[tuple[int, int], Engine] = OrderedDict()
        _check_outputs(self._session(64, 64), path.name)

    @staticmethod
    def lacks(options: DetectorOptions) -> str:
        """What is missing, as a sentence; "" where nothing is."""
        path = options.model or cached("yunet")
        if options.model is not None and path.suffix != ".onnx":
            return f"detector 'yunet' reads an .onnx file, not '{path}'"
        if not path.is_file():
            if options.model is not None:
                return f"detector 'yunet' has no file '{path}'"
            return (
                f"detector 'yunet' needs its weights ({WEIGHTS['yunet'].bytes >> 10} KiB): "
                "ferlite fetch yunet"
            )
        try:
            engines.choose(options.engine, engines.readers(".onnx"))
        except FerliteError as error:
            return f"detector 'yunet': {error}"
        return ""

    def __call__(self, frame: Image) -> list[Face]:
        """Faces with score and landmarks, the surest first."""
        canvas, scale = letterbox(frame, self._options.size)
        height, width = canvas.shape[:2]
        session = self._session(height, width)
        blob = np.ascontiguousarray(canvas.transpose(2, 0, 1)[None], np.float32)
        outputs = by_kind(session.run([blob]), session)
        rows = decode(outputs, height, width, self._score)
        return [_face(row, scale) for row in rows[nms(rows[:, :4], rows[:, 14], OVERLAP)]]

    def _session(self, height: int, width: int) -> Engine:
        """The model loaded for this input size: compiled kernels and NPUs want one that is fixed."""
        key = (height, width)
        if key not in self._sessions:
            while len(self._sessions) >= SESSIONS:
                self._sessions.popitem(last=False)[1].close()
            content = set_input_shape(self._content, (1, 3, height, width), self._name)
            model = ModelFile(self._name, {".onnx": content})
            self._sessions[key] = engines.load(self._engine_name, model, self._options.engine_options)
        self._sessions.move_to_end(key)
        return self._sessions[key]

    def close(self) -> None:
        """Free the loaded models."""
        while self._sessions:
            self._sessions.popitem()[1].close()


def letterbox(frame: Image, longest: int) -> tuple[Image, float]:
    """The frame, shrunk to ``longest`` pixels if larger, on black with sides that are multiples of 32.

    Returns the uint8 [H, W, 3] canvas, the picture at its top left, and the factor it was scaled by.
    """
    height, width = frame.shape[:2]
    scale = min(1.0, longest / max(height, width))
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    canvas = np.zeros((_multiple(high), _multiple(wide), 3), np.uint8)
    canvas[:high, :wide] = (
        frame if scale == 1 else cv2.resize(frame, (wide, high), interpolation=cv2.INTER_AREA)
    )
    return canvas, scale


def decode(outputs: dict[tuple[str, int], Floats], height: int, width: int, score: float) -> Floats:
    """Candidates over ``score``: float32 [N, 15] of x, y, width, height, five landmarks x, y, score.

    Pixels of the ``height`` x ``width`` canvas. A cell's score is the geometric mean of its class and
    objectness outputs; offsets are in strides from the cell's corner, sizes logarithmic.
    """
    found = []
    for stride in STRIDES:
        rows, columns = height // stride, width // stride
        cls, obj = (outputs[kind, stride].reshape(-1).clip(0, 1) for kind in ("cls", "obj"))
        scores = np.sqrt(cls * obj)
        keep = np.flatnonzero(scores >= score)
        if len(scores) != rows * columns:
            raise ModelMismatch(
                f"the detector gave {len(scores)} cells of stride {stride}, not {rows * columns}"
            )
        corner = np.stack([keep % columns, keep // columns], 1).astype(np.float32)
        box = outputs["bbox", stride].reshape(-1, 4)[keep]
        points = outputs["kps", stride].reshape(-1, 5, 2)[keep]
        with np.errstate(over="ignore"):
            sides = np.exp(box[:, 2:]) * stride
        top_left = (corner + box[:, :2]) * stride - sides / 2
        landmarks = ((points + corner[:, None]) * stride).reshape(-1, 10)
        found.append(np.concatenate([top_left, sides, landmarks, scores[keep, None]], 1))
    rows_found = np.concatenate(found)
    finite: Floats = rows_found[np.isfinite(rows_found).all(1)]
    return finite


def nms(boxes: Floats, scores: Floats, overlap: float) -> list[int]:
    """Indices of the boxes [N, 4] (x, y, width, height) that no surer one covers by over ``overlap`` IoU."""
    x1, y1 = boxes[:, 0], boxes[:, 1]
    x2, y2 = x1 + boxes[:, 2], y1 + boxes[:, 3]
    area = boxes[:, 2] * boxes[:, 3]
    kept: list[int] = []
    remaining = np.argsort(-scores, kind="stable")
    while len(remaining):
        best, remaining = int(remaining[0]), remaining[1:]
        kept.append(best)
        wide = np.minimum(x2[best], x2[remaining]) - np.maximum(x1[best], x1[remaining])
        high = np.minimum(y2[best], y2[remaining]) - np.maximum(y1[best], y1[remaining])
        common = wide.clip(0) * high.clip(0)
        union = area[best] + area[remaining] - common
        remaining = remaining[common <= overlap * union]
    return kept


def by_kind(arrays: Sequence[Array], session: Engine) -> dict[tuple[str, int], Floats]:
    """The outputs by (kind, stride), which their names ("cls_8") say."""
    return {
        (tensor.name.split("_")[0], int(tensor.name.split("_")[1])): array
        for tensor, array in zip(session.outputs, arrays, strict=True)
    }


def _check_outputs(session: Engine, name: str) -> None:
    wanted = {f"{kind}_{stride}" for kind in KINDS for stride in STRIDES}
    got = {tensor.name for tensor in session.outputs}
    if got != wanted or len(session.inputs) != 1:
        raise ModelMismatch(f"'{name}' is not a YuNet model: its outputs are {', '.join(sorted(got))[:120]}")


def _face(row: Floats, scale: float) -> Face:
    values = [float(value) for value in row[:14] / scale]
    points = [(values[i], values[i + 1]) for i in range(4, 14, 2)]
    return Face(Box(*values[:4]), float(row[14]), (points[0], points[1], points[2], points[3], points[4]))


def _multiple(side: int) -> int:
    return (side + 31) // 32 * 32


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EngineMissing(f"detector 'yunet': cannot read '{path}': {error.strerror}") from error
