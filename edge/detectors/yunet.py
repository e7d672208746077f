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
from edge.bundle_files.onnx_file import refuse_external_data, set_input_shape
from edge.detect import DetectorOptions
from edge.engine import Array, Engine, ModelFile
from edge.errors import DetectorMissing, FerliteError, ModelMismatch
from edge.fetch import cached, lacks
from edge.results import Box, Face

STRIDES = (8, 16, 32)
KINDS = ("cls", "obj", "bbox", "kps")
SCORE = 0.5  # chosen with the size of search: benchmarks/records/detection.json
OVERLAP = 0.3
SESSIONS = 6  # frame shapes whose loaded model is kept
Floats = npt.NDArray[np.float32]
Cells = npt.NDArray[np.intp]


class YunetDetector:
    """Box, score and five landmarks from YuNet's .onnx file (2023mar: ``ferlite fetch yunet``)."""

    scores = True

    def __init__(self, options: DetectorOptions) -> None:
        if reason := self.lacks(options):
            raise DetectorMissing(reason)
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
        path = options.model
        if path is not None and path.suffix != ".onnx":
            return f"detector 'yunet' reads an .onnx file, not '{path}'"
        if path is not None and not path.is_file():
            return f"detector 'yunet' has no file '{path}'"
        if path is None and (reason := lacks("yunet")):
            return f"detector 'yunet': {reason}"
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
        blob = np.array(cv2.split(canvas), np.float32)[None]  # [1, 3, H, W]; split is much the fastest way
        outputs = by_kind(session.run([blob]), session)
        rows = decode(outputs, height, width, self._score)
        return [_face(rows[index], scale) for index in nms(rows[:, :4], rows[:, 14], OVERLAP)]

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
    canvas = _shrunk(frame, wide, high)
    below, beside = _multiple(high) - high, _multiple(wide) - wide
    if below or beside:
        border = cv2.copyMakeBorder(canvas, 0, below, 0, beside, cv2.BORDER_CONSTANT, value=(0, 0, 0))
        canvas = np.asarray(border, np.uint8)
    return canvas, scale


def _shrunk(picture: Image, wide: int, high: int) -> Image:
    """``picture`` at ``wide`` x ``high`` pixels, or itself where it is no larger.

    Averaging two by two pixels is many times as fast as OpenCV's averaging by other factors; what is then
    left to shrink is less than half, where interpolation misses no pixel.
    """
    while picture.shape[0] >= 2 * high and picture.shape[1] >= 2 * wide:
        half = (picture.shape[1] // 2, picture.shape[0] // 2)
        even = picture[: 2 * half[1], : 2 * half[0]]
        picture = np.asarray(cv2.resize(even, half, interpolation=cv2.INTER_AREA), np.uint8)
    if picture.shape[:2] != (high, wide):
        picture = np.asarray(cv2.resize(picture, (wide, high), interpolation=cv2.INTER_LINEAR), np.uint8)
    return picture


def decode(outputs: dict[tuple[str, int], Floats], height: int, width: int, score: float) -> Floats:
    """Candidates over ``score``: float32 [N, 15] of x, y, width, height, five landmarks x, y, score.

    Pixels of the ``height`` x ``width`` canvas. A cell's score is the geometric mean of its class and
    objectness outputs; offsets are in strides from the cell's corner, sizes logarithmic.
    """
    found: list[Floats] = [np.zeros((0, 15), np.float32)]
    for stride in STRIDES:
        rows, columns = height // stride, width // stride
        cls, obj = (outputs[kind, stride].ravel() for kind in ("cls", "obj"))
        if len(cls) != rows * columns or len(obj) != len(cls):
            raise ModelMismatch(
                f"the detector gave {len(cls)} cells of stride {stride}, not {rows * columns}"
            )
        # Nearly every cell falls here, before anything else is computed of it.
        likely = np.flatnonzero(cls * obj >= score * score)
        if len(likely):
            found.append(_rows(outputs, stride, columns, likely, score))
    rows_found = np.concatenate(found)
    finite: Floats = rows_found[np.isfinite(rows_found).all(1)]
    return finite


def _rows(
    outputs: dict[tuple[str, int], Floats], stride: int, columns: int, likely: Cells, score: float
) -> Floats:
    """The ``likely`` cells of one stride whose score, with outputs outside 0-1 brought inside, is enough."""
    cls, obj = (outputs[kind, stride].ravel()[likely].clip(0, 1) for kind in ("cls", "obj"))
    scores = np.sqrt(cls * obj)
    enough = scores >= score
    keep, scores = likely[enough], scores[enough]
    corner = np.stack([keep % columns, keep // columns], 1).astype(np.float32)
    box = outputs["bbox", stride].reshape(-1, 4)[keep]
    points = outputs["kps", stride].reshape(-1, 5, 2)[keep]
    with np.errstate(over="ignore"):
        sides = np.exp(box[:, 2:]) * stride
    top_left = (corner + box[:, :2]) * stride - sides / 2
    landmarks = ((points + corner[:, None]) * stride).reshape(-1, 10)
    return np.concatenate([top_left, sides, landmarks, scores[:, None]], 1)


def nms(boxes: Floats, scores: Floats, overlap: float) -> list[int]:
    """Indices of the boxes [N, 4] (x, y, width, height) that no surer one covers by over ``overlap`` IoU.

    The surest first. ``scores`` [N] are over 0; a box with 0 is no face.
    """
    return list(map(int, cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), 0.0, overlap)))


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
    *numbers, score = row.tolist()
    values = [number / scale for number in numbers]
    points = [(values[i], values[i + 1]) for i in range(4, 14, 2)]
    return Face(Box(*values[:4]), score, (points[0], points[1], points[2], points[3], points[4]))


def _multiple(side: int) -> int:
    return (side + 31) // 32 * 32


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DetectorMissing(f"detector 'yunet': cannot read '{path}': {error.strerror}") from error
